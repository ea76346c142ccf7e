"""Where Caffe keeps blobs: several in one memory, and what a layer reads of one that has been written over by then.

A layer in place writes where its bottom is. A Split, a Reshape and a Flatten make no copy, nor does a Concat or a Slice
of one blob, or a Permute that leaves the axes as they are: their tops lie where their bottom is. So a layer in place
behind one of them changes the others too, and a layer whose code clears its top first clears what it was to read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from caffe2py.graph.node import Node, Value
from caffe2py.layers.base import Misfit, Shape, count
from caffe2py.layers.base.unsayable import Unsayable
from caffe2py.layers.utility.reshape import Reshape
from caffe2py.proto.notes import NumberNote

Shapes = dict[Value, Shape | None]


def shares_memory(node: Node) -> bool:
    """Does Caffe keep this layer's tops where its bottom is?"""
    return node.layer.shares_memory(len(node.bottoms), len(node.tops))


def places(nodes: Sequence[Node]) -> dict[Value, Value]:
    """For each value the first one in the same memory."""
    place: dict[Value, Value] = {}
    for node in nodes:
        shared = shares_memory(node)
        for i, v in enumerate(node.tops):
            place[v] = place[node.bottoms[0 if shared else i]] if shared or v.version > 1 else v
    return place


@dataclass
class Memory:
    """The nodes of a net as Caffe's memory lets them run, in order."""

    shapes: Shapes
    place: Mapping[Value, Value]
    nodes: list[Node] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _born: dict[Value, int] = field(default_factory=dict)
    _written: dict[Value, tuple[int, Value, Node]] = field(default_factory=dict)  # by place: when, what and by whom

    def add(self, node: Node, *, follow: bool = True) -> None:
        """The next layer. With `follow` it reads what was last written where its bottoms are."""
        if follow:
            node = replace(node, bottoms=tuple(self.seen(v, f'"{node.name}" ({node.type})') for v in node.bottoms))
        when = len(self._born)
        node = self._over(node)
        self.nodes.append(node)
        for v in node.tops:
            self._born[v] = when
            if v.version > 1:
                self._written[self.place[v]] = (when, v, node)

    def seen(self, v: Value, reader: str) -> Value:
        """What stands where a value was made: itself, or what a layer in place has made of another blob there."""
        found = self.latest(v)
        if found == v:
            return v
        writer = self._written[self.place[v]][2]
        fact = f'writes over "{v.blob}" too, which lies in the same memory; {reader} reads what it wrote'
        self.notes.append(_note(writer, fact))
        return found if self.shapes[found] == self.shapes[v] else self._viewed(found, v)

    def latest(self, v: Value) -> Value:
        """The value that was last written where this one was made."""
        when, found, _ = self._written.get(self.place[v], (-1, v, None))
        return found if when > self._born[v] else v

    def _viewed(self, found: Value, v: Value) -> Value:
        """A value in the shape of another in its memory."""
        have, shape = self.shapes[found] or (), self.shapes[v] or ()
        same = [i < len(have) and have[i] == d and have[:i] == shape[:i] for i, d in enumerate(shape)]
        view = Value(v.blob, max(other.version for other in self.shapes if other.blob == v.blob) + 1)
        layer = Reshape().changed(dims=tuple(0 if s else d for s, d in zip(same, shape, strict=True)))
        self.shapes[view] = shape
        self.nodes.append(Node(f"{v.blob} in its memory", layer, (found,), (view,)))
        return view

    def _over(self, node: Node) -> Node:
        """The layer as its code computes it where its top is a bottom's memory."""
        for i, v in enumerate(node.tops):
            if v.version == 1 or shares_memory(node):
                continue
            before, after = self.shapes[node.bottoms[i]], self.shapes[v]
            if before is None or after is None:
                continue
            over = tuple(j for j, b in enumerate(node.bottoms) if self.place.get(b) == self.place[v])
            try:
                if count(before) != count(after):
                    raise Misfit(
                        "works in place and makes a blob of another size, which Caffe reads and writes at once"
                    )
                found = node.layer.over(over)
            except Misfit as misfit:
                return replace(node, layer=Unsayable(node.type, node.layer, str(misfit)))
            if found is not None:
                layer, fact = found
                self.notes.append(_note(node, f"works in place: {fact}"))
                node = replace(node, layer=layer)
        return node


def _note(node: Node, fact: str) -> NumberNote:
    return NumberNote(f'{node.place}: layer "{node.name}" ({node.type}) {fact}')


def at_the_end(nodes: Sequence[Node]) -> dict[str, Value]:
    """For each blob the value that stands in its memory after a whole pass."""
    place = places(nodes)
    last: dict[Value, Value] = {}
    for node in nodes:
        last.update({place[v]: v for v in node.tops if v.version > 1 or v == place[v]})
    return {v.blob: last[place[v]] for node in nodes for v in node.tops}
