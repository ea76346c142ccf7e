"""The graph: a Caffe net with its shapes, weights and in-place versions worked out, and checked as Caffe checks.

Caffe's words are kept (net, layer, bottom, top, blob, phase). One idea is added: a `Value` is a blob's name
and a version, because a layer that works in place overwrites its blob.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from caffe2py.errors import CaffeError, shown
from caffe2py.graph.node import Node, Value, Weight
from caffe2py.graph.table import Row, Totals, table_text
from caffe2py.layers.base import Layer, Shape, text
from caffe2py.proto.forks import OWN
from caffe2py.proto.notes import of_numbers
from caffe2py.proto.text.prototxt import NetText

MOST = 4  # blobs that a repr names


@dataclass(frozen=True, repr=False)
class Graph:
    """A net as layers in the order Caffe runs them. `caffe2py.load` makes it; a pass makes another of it."""

    name: str
    nodes: tuple[Node, ...]
    shapes: Mapping[Value, Shape | None]
    inputs: Mapping[str, Shape | None]
    outputs: tuple[str, ...]
    results: tuple[Value, ...]  # the values that `outputs` name
    phase: str = "TEST"
    notes: tuple[str, ...] = ()
    weights_file: str | None = None
    net: NetText | None = field(default=None, compare=False, repr=False)

    @property
    def number_notes(self) -> tuple[str, ...]:
        """The notes on what may change the numbers."""
        return of_numbers(self.notes)

    @property
    def dialects(self) -> tuple[str, ...]:
        """The schemas that know the net's fields: Caffe's own ("bvlc"), or forks' ("ssd")."""
        return self.net.dialects if self.net else (OWN,)

    def node(self, name: str) -> Node:
        """The layer of that name (the first, where several have it), or of that key."""
        for n in self.nodes:
            if n.key == name:
                return n
        raise CaffeError(f'net "{self.name}" has no layer "{name}"')

    def shapes_of(self, values: Sequence[Value]) -> list[Shape | None]:
        return [self.shapes[v] for v in values]

    @cached_property
    def readers(self) -> Mapping[Value, tuple[Node, ...]]:
        """The layers that read each value, in order."""
        found: dict[Value, list[Node]] = {v: [] for v in self.shapes}
        for node in self.nodes:
            for v in node.bottoms:
                found[v].append(node)
        return {v: tuple(nodes) for v, nodes in found.items()}

    @cached_property
    def makers(self) -> Mapping[Value, Node]:
        """The layer that makes each value."""
        return {v: node for node in self.nodes for v in node.tops}

    def owned_weights(self) -> Iterator[tuple[Node, int, Weight]]:
        """Every learned blob once: a shared one at the layer that owns it."""
        for node in self.nodes:
            for i, w in enumerate(node.weights):
                if w.owner == (node.key, i):
                    yield node, i, w

    def parameter_count(self) -> int:
        """Values in learned blobs, shared ones counted once."""
        return sum(w.count for _, _, w in self.owned_weights())

    def multiply_adds(self, node: Node) -> int | None:
        """Multiply-adds of one layer for the shapes of this graph, None where a shape is not known."""
        bottoms, tops = self.shapes_of(node.bottoms), self.shapes_of(node.tops)
        if any(s is None for s in (*bottoms, *tops)):
            return None
        return node.layer.multiply_adds([s for s in bottoms if s is not None], [s for s in tops if s is not None])

    def rows(self) -> Iterator[Row]:
        """A row for each layer, in the order Caffe runs them. Shared parameters count where they are owned."""
        for node in self.nodes:
            yield Row(
                name=node.name,
                type=node.type,
                what=_what(node.layer),
                bottoms=tuple(map(str, node.bottoms)),
                tops=tuple(map(str, node.tops)),
                shapes=tuple(self.shapes_of(node.tops)),
                parameters=sum(w.count for i, w in enumerate(node.weights) if w.owner == (node.key, i)),
                multiply_adds=self.multiply_adds(node),
            )

    def totals(self) -> Totals:
        """Layers, parameters (shared ones once) and multiply-adds of one forward pass."""
        adds = [self.multiply_adds(node) for node in self.nodes]
        known = [a for a in adds if a is not None]
        return Totals(len(self.nodes), self.parameter_count(), sum(known), len(adds) - len(known))

    def __repr__(self) -> str:
        def said(blobs: Mapping[str, Shape | None]) -> str:
            words = [f"{shown(b)} {'of any shape' if s is None else text(s)}" for b, s in list(blobs.items())[:MOST]]
            return ", ".join([*words, *([f"{len(blobs) - MOST} more"] if len(blobs) > MOST else [])]) or "nothing"

        ends = dict(zip(self.outputs, self.shapes_of(self.results), strict=True))
        size = f"{len(self.nodes)} layers, {self.parameter_count():,} parameters"
        return f"<Graph {shown(self.name)}: {size}, {said(self.inputs)} -> {said(ends)}>"

    def __str__(self) -> str:
        return table_text(self.rows(), self.totals())


def _what(layer: Layer) -> str:
    """The layer in a few words, and whose it is where its type's name means several things."""
    whose = f"{layer.fork}'s" if layer.one_of and layer.fork else ""
    return ", ".join(filter(None, (whose, layer.summary())))
