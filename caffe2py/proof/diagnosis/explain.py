"""From the first row that is wrong to a trial: its layers, what they read, what they should have made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from caffe2py.graph import Graph, Node, Value
from caffe2py.proof.diagnosis.diagnose import diagnose
from caffe2py.proof.diagnosis.trial import Trial
from caffe2py.proof.dumps.binding import Binding
from caffe2py.proof.models.model import Model
from caffe2py.proof.reports.findings import Diagnosis, LayerReport


def explain(
    graph: Graph, model: Model, recorded: Binding, row: LayerReport, spans: Mapping[Value, tuple[Node, ...]]
) -> Diagnosis | None:
    """What is probably wrong with the layer of a row; None where the net has no weights, or the layer cannot run alone.

    The layer is fed as it was for the row: with the reference's values, or, where those are sampled, with ours. Where
    the net's own layer makes what the reference has, the fault is in the model that was verified (a converted
    file): then it is the file that the mistakes are held against.
    """
    value = next(v for v in spans if str(v) == row.value)
    nodes = tuple(graph.node(n.key) for n in spans[value])
    reference = recorded.read(value)
    bar = row.bar if row.bar is not None else 0.0
    if reference is None or any(w.data is None for n in nodes for w in n.weights):
        return None
    made = {v for n in nodes for v in n.tops}
    needed = list(dict.fromkeys(v for n in nodes for v in n.bottoms if v not in made))
    known = {}
    if row.local is not None:
        known = {v: top for v in needed if isinstance(top := recorded.read(v), np.ndarray)}
    ours = _values(model, recorded, [*needed, value])
    fed = {v: known[v] if v in known else ours[v] for v in needed if v in known or v in ours}
    if len(fed) < len(needed):
        return None
    trial = Trial(nodes, fed, value, reference, graph.phase)
    plain = trial.error()
    if plain is None or plain > bar:
        return diagnose(trial, bar)
    if value not in ours or not all(v in ours for v in needed):
        return None
    found = diagnose(replace(trial, fed={v: ours[v] for v in needed}, target=ours[value]), row.drift_bar or bar)
    said = tuple(replace(s, cause=s.cause.replace("the reference", model.name)) for s in found.suspects)
    return replace(found, suspects=said)


def _values(model: Model, recorded: Binding, wanted: Sequence[Value]) -> dict[Value, np.ndarray]:
    """Some values of a run of ours from the net's inputs on."""
    found: dict[Value, np.ndarray] = {}
    for node, tops in model.steps(recorded.inputs):
        found.update({v: t.copy() for v, t in zip(node.tops, tops, strict=True) if v in wanted and t is not None})
        if len(found) == len(set(wanted)):
            break
    return found
