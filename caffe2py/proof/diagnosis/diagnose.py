"""What is wrong with a layer: each usual mistake is tried, and the one that makes the difference vanish is named."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from caffe2py.graph import Node
from caffe2py.proof.diagnosis.fits import channel_axis, fits, odd_channels, one_weight, scaled
from caffe2py.proof.diagnosis.suspects import Variant, variants
from caffe2py.proof.diagnosis.trial import Trial
from caffe2py.proof.dumps.sample import Sample
from caffe2py.proof.measures.measure import scale_of
from caffe2py.proof.reports.findings import Diagnosis, Suspect

MOST_SUSPECTS = 8  # that a report lists
FEW = 3  # odd channels that are told one by one


def diagnose(trial: Trial, bar: float) -> Diagnosis:
    """Try the usual mistakes on every layer of the trial. `bar` is the error that rounding explains."""
    found: list[tuple[Suspect, str]] = []
    for node in trial.nodes:
        bottoms = trial.before(node)
        if bottoms is None or not node.bottoms:
            continue
        found += [(suspect, node.name) for suspect in _try(trial, node, variants(node, bottoms))]
    last = trial.nodes[-1]
    if len(trial.nodes) == 1 and not any(s.error <= bar for s, _ in found):
        found += [(suspect, last.name) for suspect in _from_values(trial, bar)]
    found.sort(key=lambda pair: pair[0].error)
    plain = trial.error()
    named = found[0][1] if found and found[0][0].error <= bar else last.name
    best = tuple(suspect for suspect, _ in found[:MOST_SUSPECTS])
    return Diagnosis(named, float("inf") if plain is None else plain, bar, best)


def _try(trial: Trial, node: Node, tried: Iterator[Variant]) -> Iterator[Suspect]:
    best: dict[str, float] = {}
    for variant in tried:
        error = trial.swapped(node, variant.node, variant.fed).error()
        if error is not None:
            best[variant.cause] = min(error, best.get(variant.cause, error))
    for cause, error in best.items():
        yield Suspect(cause, error)


def _from_values(trial: Trial, bar: float) -> Iterator[Suspect]:
    """What the values tell where no usual mistake explains them; each step only where the one before found nothing."""
    node, target = trial.nodes[-1], trial.target
    ours, bottoms = trial.run(), trial.before(node)
    if ours is None or bottoms is None or ours.shape != tuple(target.shape) or not ours.size:
        return
    solved = list(_try(trial, node, fits(node, bottoms, ours, target)))
    yield from solved
    if any(s.error <= bar for s in solved):
        return
    scale = scale_of(target)
    axis = channel_axis(node, ours)
    odd, rest = odd_channels(ours, target, axis, bar, scale)
    channels, outputs = len(odd), ours.shape[axis] if ours.ndim else 1
    if node.weights and 0 < channels <= max(FEW, outputs // 10) and channels < outputs:
        exact: list[Suspect] = []
        if channels == 1 and not isinstance(target, Sample):
            exact = list(_try(trial, node, one_weight(node, bottoms[0], ours, np.asarray(target), odd[0])))
            yield from (s for s in exact if s.error <= bar)
        if not any(s.error <= bar for s in exact):
            said = ", ".join(map(str, odd[:FEW])) + (", ..." if channels > FEW else "")
            where = f"output channel {said} alone differs" if channels == 1 else f"output channels {said} alone differ"
            yield Suspect(f"{where}: other weights there", rest)
        return
    for cause, left in scaled(ours, target, axis, scale, bool(node.weights)):
        yield Suspect(cause, left)
