"""The graph: a Caffe net with its shapes, weights and in-place versions worked out, and checked as Caffe checks.

Caffe's words are kept (net, layer, bottom, top, blob, phase). One idea is added: a `Value` is a blob's name
and a version, because a layer that works in place overwrites its blob.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from caffe2py.errors import CaffeError, Place, WeightError
from caffe2py.layers.base import Layer, Shape
from caffe2py.proto.prototxt import NetText

if TYPE_CHECKING:
    import numpy as np


Kind = type[CaffeError]


@dataclass(frozen=True)
class Value:
    """A blob as it stands after one layer wrote it. Prints as `conv1`, later versions as `conv1#2`."""

    blob: str
    version: int = 1

    def __str__(self) -> str:
        return self.blob if self.version == 1 else f"{self.blob}#{self.version}"


@dataclass(frozen=True)
class Weight:
    """A learned blob. `data` is None where no weights were given; `owner` is the (layer, index) it is kept at."""

    name: str
    shape: Shape
    data: np.ndarray | None
    owner: tuple[str, int]
    learned: bool = True

    @property
    def count(self) -> int:
        product = 1
        for d in self.shape:
            product *= d
        return product


@dataclass(frozen=True)
class Node:
    """One layer of the net: what it is, what it reads, what it makes."""

    name: str
    layer: Layer
    bottoms: tuple[Value, ...]
    tops: tuple[Value, ...]
    weights: tuple[Weight, ...] = ()
    loss_weights: tuple[float, ...] = ()
    stopped: tuple[bool, ...] = ()  # by bottom: no gradient flows back into it (propagate_down: false)
    place: Place | None = None
    message: Any = field(default=None, compare=False, repr=False)

    @property
    def type(self) -> str:
        return self.layer.type

    def blobs(self) -> list[np.ndarray]:
        """The values of the layer's weights, in Caffe's order. Raises `WeightError` where none were given."""
        values = [w.data for w in self.weights if w.data is not None]
        if len(values) < len(self.weights):
            wish = "load the net with its caffemodel, or with a seed for its fillers"
            raise self.error(WeightError, f"no weights were given; {wish}")
        return values

    def error(self, kind: Kind, fact: str) -> CaffeError:
        """An error about this layer, with its place and name."""
        return layer_error(kind, self.name, self.type, self.place, fact)


def layer_error(kind: Kind, name: str, type_: str, place: Place | None, fact: str) -> CaffeError:
    """An error that names file, line, layer and type before the fact."""
    return kind(f'layer "{name}" ({type_}): {fact}', place)


@dataclass(frozen=True)
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

    def node(self, name: str) -> Node:
        """The layer of that name (the first, where several have it)."""
        for n in self.nodes:
            if n.name == name:
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
                if w.owner == (node.name, i):
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

    def __str__(self) -> str:
        from caffe2py.graph.table import table_text

        return table_text(self)
