"""Which recorded value is which value of the net."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from caffe2py.errors import CaffeError
from caffe2py.graph import Graph, Node, Value
from caffe2py.graph.free_sizes import with_inputs
from caffe2py.layers.base import Shape
from caffe2py.proof.dumps.reading import Dump, LayerDump, NamedDump, Stored
from caffe2py.proof.dumps.sample import Top


@dataclass(frozen=True)
class Binding:
    """A dump as the values of one net. `notes` tells what of the dump, and of the net, has no partner."""

    inputs: Mapping[str, np.ndarray]
    values: Mapping[Value, Stored]
    notes: tuple[str, ...] = ()

    @cached_property
    def whole(self) -> frozenset[Value]:
        """The values that are recorded whole, the inputs among them."""
        return frozenset(
            {v for v, stored in self.values.items() if not stored.sampled} | {Value(blob) for blob in self.inputs}
        )

    def read(self, value: Value) -> Top | None:
        """What was recorded of a value, None where nothing was."""
        found = self.values.get(value)
        return None if found is None else found.read()


def shaped_as(graph: Graph, shapes: Mapping[str, Shape]) -> Graph:
    """The graph, with these shapes of inputs whose shape no file of the net tells."""
    told = {blob: shapes.get(blob) if shape is None else shape for blob, shape in graph.inputs.items()}
    return graph if None in told.values() else with_inputs(graph, told)


def shaped_by(graph: Graph, dump: Dump) -> Graph:
    """The graph, with the shapes of inputs that no file of the net tells as they are in a dump."""
    held = dump.inputs if isinstance(dump, LayerDump) else dump.arrays
    wanted = [blob for blob, shape in graph.inputs.items() if shape is None and blob in held]
    return shaped_as(graph, {blob: tuple(held[blob]().shape) for blob in wanted})


def bind_dump(dump: Dump, graph: Graph) -> Binding:
    """Find the net's values in a dump: by layer where the dump is by layer, else by the names of blobs or layers.

    Raises `CaffeError` where an input is not recorded, or where nothing fits.
    """
    fed: dict[str, Callable[[], Top]]
    if isinstance(dump, LayerDump):
        values, notes = _by_layer(dump, graph)
        fed = {blob: read for blob, read in dump.inputs.items() if blob in graph.inputs}
    else:
        values, notes = _by_name(dump, graph)
        tops = [v for n in graph.nodes if n.layer.is_input for v in n.tops]
        fed = {v.blob: values[v].read for v in tops if v in values}
    if not any(v.blob not in graph.inputs or v.version > 1 for v in values):
        raise CaffeError(f'nothing in it is a layer or blob of net "{graph.name}"', dump.file)
    missing = [blob for blob in graph.inputs if blob not in fed]
    if missing:
        raise CaffeError(f'holds no input "{missing[0]}" of net "{graph.name}"; want what the net was fed', dump.file)
    return Binding({blob: np.asarray(read()) for blob, read in fed.items()}, values, tuple(notes))


def _by_layer(dump: LayerDump, graph: Graph) -> tuple[dict[Value, Stored], list[str]]:
    """Layers by name; of several layers of one name the first record is the first layer's."""
    nodes: dict[str, list[Node]] = defaultdict(list)
    for node in graph.nodes:
        nodes[node.name].append(node)
    values: dict[Value, Stored] = {}
    strangers, unlike = [], []
    for record in dump.records:
        if not nodes[record.name]:
            if record.type != "Split":  # Caffe puts these in by itself
                strangers.append(record.name)
            continue
        node = nodes[record.name].pop(0)
        if len(record.tops) != len(node.tops) or (record.type and record.type != node.type):
            unlike.append(f'"{record.name}" ({record.type}, {len(record.tops)} tops)')
            continue
        values.update(zip(node.tops, record.tops, strict=True))
    return values, [
        *_said(f"layers of the dump are not in net {graph.name}", strangers),
        *_said("layers of the dump are of another type, or have other tops, in the net", unlike),
    ]


def _by_name(dump: NamedDump, graph: Graph) -> tuple[dict[Value, Stored], list[str]]:
    """Names of blobs (as they stand at the end), or of layers (the first top), whichever more names fit."""
    blobs = {v.blob: v for node in graph.nodes for v in node.tops}
    layers = {node.key: node.tops[0] for node in graph.nodes if node.tops}
    inputs = {v.blob: v for node in graph.nodes if node.layer.is_input for v in node.tops}
    tables = ({**blobs}, {**layers, **inputs})
    if dump.loose:
        tables = tuple({_plain(name): v for name, v in table.items()} for table in tables)  # type: ignore[assignment]
    arrays = {_plain(name) if dump.loose else name: read for name, read in dump.arrays.items()}
    by_blob, by_layer = ({table[n]: Stored(read) for n, read in arrays.items() if n in table} for table in tables)
    chosen = by_layer if len(by_layer) > len(by_blob) else by_blob
    known = tables[1] if chosen is by_layer else tables[0]
    what = "layers" if chosen is by_layer else "blobs"
    return dict(chosen), _said(
        f"arrays of the dump are no {what} of net {graph.name}", [n for n in arrays if n not in known]
    )


def _plain(name: str) -> str:
    """A name without the signs that file names cannot have."""
    return re.sub(r"[^0-9A-Za-z]+", "_", name)


def _said(fact: str, names: list[str]) -> list[str]:
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return [f"{len(names)} {fact}: {', '.join(names[:4])}{more}"] if names else []
