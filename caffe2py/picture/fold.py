"""A net of hundreds of layers as a few dozen items: what belongs together in one box, what repeats drawn once.

    layers   data  conv1 bn1 relu1  [ a1 a2 / b1 -> sum1 relu ]  [ a1 a2 / b1 -> sum2 relu ]  fc  prob
    boxes    data  conv1            a1 a2 b1 sum1                a1 a2 b1 sum2                fc  prob
    items    data  conv1            2 x (four boxes)                                          fc  prob

The blocks are those that `structure` finds; branches that meet again are folded too where they come once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from caffe2py.graph import Graph, Node, Value
from caffe2py.passes import FLAT
from caffe2py.structure.find import Block, Structure, find
from caffe2py.structure.known import known
from caffe2py.structure.parts import Parts
from caffe2py.structure.stages import stage_title, stages
from caffe2py.structure.tree import Body, Region, Use, leaves, rows
from caffe2py.structure.tree import Item as Piece

SMALLEST = 3  # boxes in a fold; fewer are as easily read unfolded
MANY = 5  # equal boxes that are folded
LARGEST = 4  # at most the net's boxes divided by this, of branches that come once: what is larger is the net itself


@dataclass(frozen=True)
class Box:
    """A layer and those that work in place on its top. `indices` are the layers' positions in the net."""

    nodes: tuple[Node, ...]
    indices: tuple[int, ...]

    @property
    def boxes(self) -> tuple[Box, ...]:
        """Itself: every item has boxes."""
        return (self,)


@dataclass(frozen=True)
class Part:
    """One block."""

    title: str
    boxes: tuple[Box, ...]

    @property
    def types(self) -> tuple[tuple[str, ...], ...]:
        """What tells it from those of its kind that have more layers, or fewer."""
        return tuple(tuple(node.type for node in box.nodes) for box in self.boxes)


@dataclass(frozen=True)
class Group:
    """Folded boxes: one block, or some of a kind that follow each other."""

    parts: tuple[Part, ...]
    kind: str

    @cached_property
    def boxes(self) -> tuple[Box, ...]:
        return tuple(box for part in self.parts for box in part.boxes)

    @cached_property
    def indices(self) -> tuple[int, ...]:
        return tuple(i for box in self.boxes for i in box.indices)

    @property
    def title(self) -> str:
        return stage_title([part.title for part in self.parts])


Item = Box | Group


@dataclass(frozen=True)
class Folded:
    """The net as items, each after those that it reads, with the edges between them (by position)."""

    items: tuple[Item, ...]
    edges: tuple[tuple[int, int], ...]


def fold(graph: Graph) -> Folded:
    """The net as boxes, with its blocks folded. Every layer is in exactly one box."""
    net = _Net(graph)
    names = known(net.structure)
    boxes = net.boxes()
    items: list[Item] = [*boxes.get(None, ())]
    for stage in net.stages:
        parts = (Part(net.parts.title(use.leaves), tuple(boxes[use])) for use in stage)
        items.append(Group(tuple(parts), names[stage[0].of].name))
    items.sort(key=_place)
    return Folded(tuple(items), tuple(edges_between(items)))


def _place(item: Item) -> int:
    """Where the layer is that others read a group for, or that reads others for a box."""
    return max(item.indices) if isinstance(item, Group) else item.indices[0]


def edges_between(items: Sequence[Item]) -> list[tuple[int, int]]:
    """The edges among some items of a net, by position."""
    nodes = [[node for box in item.boxes for node in box.nodes] for item in items]
    home = {v: i for i, own in enumerate(nodes) for node in own for v in node.tops}
    read = ((home[v], i) for i, own in enumerate(nodes) for node in own for v in node.bottoms if v in home)
    return sorted({(a, b) for a, b in read if a != b})


class _Net:
    """The layers of a net by position, and its structure: that of the text it is translated to."""

    def __init__(self, graph: Graph) -> None:
        self.nodes = graph.nodes
        makers = {v: i for i, node in enumerate(graph.nodes) for v in node.tops}
        self.before = [self._before(node, makers) for node in graph.nodes]
        for change in FLAT:
            graph = change(graph)
        self.parts = Parts.of(graph)
        self.layers = self._layers(makers)
        self.structure = self._with_regions(find(self.parts))

    def _before(self, node: Node, makers: Mapping[Value, int]) -> int | None:
        """The layer on whose only top another works in place."""
        in_place = len(node.bottoms) == len(node.tops) == 1 and node.bottoms[0].blob == node.tops[0].blob
        maker = makers.get(node.bottoms[0]) if in_place else None
        return maker if maker is not None and len(self.nodes[maker].tops) == 1 else None

    def _layers(self, makers: Mapping[Value, int]) -> list[list[int]]:
        """The layers that each part stands for: its own, unless a later part has it, and those that passes took."""
        homes: dict[str, list[int]] = {}
        found: list[list[int]] = []
        for part in self.parts.parts:
            found.append([])
            homes[part.node.key] = found[-1]
        for i, node in enumerate(self.nodes):
            maker = next((makers[v] for v in node.bottoms if v in makers), None)
            own = [] if maker is None else homes[self.nodes[maker].key]
            homes.setdefault(node.key, own).append(i)
        return found

    def _with_regions(self, found: Structure) -> Structure:
        """The structure, with branches that come once as blocks: the largest that are not too large."""
        blocks = list(found.blocks)
        most = self._count(range(len(self.layers))) / LARGEST

        def changed(body: Body) -> Body:
            return tuple(tuple(map(again, row)) for row in body)

        def again(item: Piece) -> Piece:
            if not isinstance(item, Region):
                return item
            own = tuple(leaves([item]))
            if SMALLEST <= self._count(own) <= most:
                blocks.append(Block(((item,),), own, [own]))
                return Use(len(blocks) - 1, own)
            return Region(tuple(map(changed, item.branches)), item.join)

        return Structure(found.parts, replace(found.net, body=changed(found.net.body)), blocks)

    def _count(self, of: Iterable[int | None]) -> int:
        """How many boxes some parts are."""
        own = {i for leaf in of if leaf is not None for i in self.layers[leaf]}
        return sum(self.before[i] not in own for i in own)

    @cached_property
    def stages(self) -> list[Sequence[Use]]:
        """The blocks that are folded, those of a stage together."""
        found = (each for row in rows(self.structure.net.body) for each in stages(self.parts, row))
        uses = ([item for item in each if isinstance(item, Use)] for each in found)
        return [each for each in uses if self._folds(each)]

    def _folds(self, stage: Sequence[Use]) -> bool:
        """Does it hide enough? Blocks that are a single box do where many are equal."""
        count = self._count(leaves(stage))
        said = {tuple(leaf is not None and self.parts.parts[leaf].node.layer for leaf in use.leaves) for use in stage}
        return count >= SMALLEST and (count > len(stage) or (count >= MANY and len(said) == 1))

    def boxes(self) -> dict[Use | None, list[Box]]:
        """All boxes, in order, by the folded block that they are in."""
        owners: list[Use | None] = [None] * len(self.nodes)
        for use in (use for stage in self.stages for use in stage):
            for i in (i for leaf in use.leaves if leaf is not None for i in self.layers[leaf]):
                owners[i] = use
        groups: dict[int, list[int]] = {}
        home: list[int] = []
        for i, (before, owner) in enumerate(zip(self.before, owners, strict=True)):
            home.append(i if before is None or owners[before] is not owner else home[before])
            groups.setdefault(home[i], []).append(i)
        found: dict[Use | None, list[Box]] = {}
        for first, box in groups.items():
            found.setdefault(owners[first], []).append(Box(tuple(self.nodes[i] for i in box), tuple(box)))
        return found
