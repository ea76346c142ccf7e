"""A net of hundreds of layers as a few dozen items: what belongs together in one box, what repeats drawn once.

    layers   data  conv1 bn1 relu1  [ a1 a2 / b1 -> sum1 relu ]  [ a1 a2 / b1 -> sum2 relu ]  fc  prob
    boxes    data  conv1            a1 a2 b1 sum1                a1 a2 b1 sum2                fc  prob
    items    data  conv1            2 x (four boxes)                                          fc  prob

The net's structure decides. Its names serve as titles, and to choose among equal folds: a repeat may as well begin in
the middle of a block as at its start.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from caffe2py.graph import Graph, Node
from caffe2py.structure.flow import Flow
from caffe2py.structure.names import shared_name

SMALLEST_BLOCK = 3  # boxes; smaller ones are as easily read unfolded
LARGEST_BLOCK = 4  # at most the net's boxes divided by this: what is larger is no detail of the net, but the net
LONGEST_UNIT = 16  # items that repeat together
FEWEST_HIDDEN = 4  # boxes that a repeat must hide to be worth its fold


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
class Group:
    """Folded boxes: one block (one part), or a run of them that repeats (several parts of one structure).

    Groups whose parts have one structure are of one `kind`: "A", "B", ...
    """

    parts: tuple[tuple[Box, ...], ...]
    kind: str

    @cached_property
    def boxes(self) -> tuple[Box, ...]:
        return tuple(box for part in self.parts for box in part)

    @cached_property
    def indices(self) -> tuple[int, ...]:
        return tuple(i for box in self.boxes for i in box.indices)

    @property
    def title(self) -> str:
        if len(self.parts) == 1:
            return part_title(self.parts[0])
        return f"{part_title(self.parts[0])} … {part_title(self.parts[-1])}"


Item = Box | Group


@dataclass(frozen=True)
class Folded:
    """The net as items, in the order of their first layers, with the edges between them (by position)."""

    items: tuple[Item, ...]
    edges: tuple[tuple[int, int], ...]


def fold(graph: Graph) -> Folded:
    """The net as boxes, with its blocks and what repeats folded. Every layer is in exactly one box."""
    net = _Net(graph)
    items = net.without_repeats(net.blocks())
    made = sorted(items, key=lambda item: item[0][0])
    kinds: dict[Hashable, str] = {}
    folded: list[Item] = []
    for parts in made:
        if len(parts) == 1 and len(parts[0]) == 1:
            folded.append(net.boxes[parts[0][0]])
        else:
            kind = kinds.setdefault(net.structure(parts[0], sizes=False), _letters(len(kinds)))
            folded.append(Group(tuple(tuple(net.boxes[b] for b in part) for part in parts), kind))
    home = {b: i for i, parts in enumerate(made) for part in parts for b in part}
    edges = {(home[a], home[b]) for a in range(len(net.boxes)) for b in net.flow.next[a] if home[a] != home[b]}
    return Folded(tuple(folded), tuple(sorted(edges)))


def edges_between(graph: Graph, boxes: Sequence[Box]) -> list[tuple[int, int]]:
    """The edges among some boxes of a net, by position."""
    home = {v: i for i, box in enumerate(boxes) for node in box.nodes for v in node.tops}
    read = ((home[v], i) for i, box in enumerate(boxes) for node in box.nodes for v in node.bottoms if v in home)
    return sorted({(a, b) for a, b in read if a != b})


def part_title(boxes: Sequence[Box]) -> str:
    """What the names of the boxes share, else the name of the last box."""
    return shared_name([node.name for box in boxes for node in box.nodes]) or boxes[-1].nodes[0].name


Unit = tuple[int, ...]  # boxes, by position
Parts = tuple[Unit, ...]


class _Net:
    """The boxes of a net and who reads whom."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.boxes = _boxes(graph)
        home = {v: i for i, box in enumerate(self.boxes) for node in box.nodes for v in node.tops}
        read = [
            {home[v] for node in box.nodes for v in node.bottoms if v in home} - {i} for i, box in enumerate(self.boxes)
        ]
        self.flow = Flow.of(read, {home[v] for v in graph.results if v in home})

    def blocks(self) -> list[Unit]:
        """All boxes: those of each block together, the others alone.

        A block is what lies between a box that several read and the box where all its branches have met, if nothing
        else leads in. Of blocks in one another the largest is taken that is not too large.
        """
        found = [self.flow.branches(a) for a in range(len(self.boxes)) if len(self.flow.next[a]) > 1]
        most = len(self.boxes) / LARGEST_BLOCK
        taken: set[int] = set()
        blocks: list[Unit] = []
        for block in sorted(found, key=len, reverse=True):
            if SMALLEST_BLOCK <= len(block) <= most and not taken & set(block):
                blocks.append(block)
                taken |= set(block)
        return sorted(blocks + [(b,) for b in range(len(self.boxes)) if b not in taken])

    def without_repeats(self, items: list[Unit]) -> list[Parts]:
        """The items, with runs of one structure that follow each other as the parts of one."""
        found: list[Parts] = []
        for row in self.flow.chains(sorted(items, key=lambda item: item[-1])):
            found += self._repeats([items[i] for i in row])
        return found

    def _repeats(self, chain: list[Unit]) -> list[Parts]:
        """The chain with its most frequent repeat folded, and so on in what is left before and after it."""
        marks = [self.structure(item, sizes=len(item) == 1) for item in chain]
        best: tuple[int, int, int, int] | None = None  # times, -items in a unit, letters that its names share, -start
        upto = [0, *accumulate(map(len, chain))]  # boxes before each item
        for size in range(1, min(LONGEST_UNIT, len(chain) // 2) + 1):
            alike = 0  # items from `start` on that equal the one `size` further
            for start in reversed(range(len(chain) - size)):
                alike = alike + 1 if marks[start] == marks[start + size] else 0
                times = 1 + alike // size
                if upto[start + times * size] - upto[start + size] >= FEWEST_HIDDEN:
                    found = times, -size, self._shared(chain[start : start + size]), -start
                    best = found if best is None else max(best, found)
        if best is None:
            return [(item,) for item in chain]
        times, size, start = best[0], -best[1], -best[3]
        end = start + times * size
        units = [chain[i : i + size] for i in range(start, end, size)]
        parts = tuple(tuple(b for item in unit for b in item) for unit in units)
        return [*self._repeats(chain[:start]), parts, *self._repeats(chain[end:])]

    def _shared(self, unit: list[Unit]) -> int:
        return len(shared_name([node.name for item in unit for b in item for node in self.boxes[b].nodes]))

    def structure(self, boxes: Unit, sizes: bool) -> Hashable:
        """The types of the boxes and who reads whom inside; with `sizes`, the parameters and shapes too."""
        places = {b: i for i, b in enumerate(boxes)}
        marks = []
        for b in boxes:
            nodes = self.boxes[b].nodes
            read = tuple(sorted(places.get(a, -1) for a in self.flow.before[b]))
            shapes = tuple(map(str, self.graph.shapes_of(nodes[-1].tops))) if sizes else ()
            what = tuple((n.type, n.layer.summary() if sizes else "") for n in nodes)
            marks.append((what, read, shapes))
        return tuple(marks)


def _boxes(graph: Graph) -> list[Box]:
    """Layers with the layers that work in place on their tops, in order of their first layer."""
    boxes: list[list[int]] = []
    home: dict[object, int] = {}
    for i, node in enumerate(graph.nodes):
        bottoms, tops = node.bottoms, node.tops
        in_place = len(bottoms) == len(tops) == 1 and bottoms[0].blob == tops[0].blob and bottoms[0] in home
        alone = in_place and len(graph.nodes[boxes[home[bottoms[0]]][-1]].tops) == 1
        if alone:
            boxes[home[bottoms[0]]].append(i)
        else:
            boxes.append([i])
        for top in tops:
            home[top] = home[bottoms[0]] if alone else len(boxes) - 1
    return [Box(tuple(graph.nodes[i] for i in box), tuple(box)) for box in boxes]


def _letters(i: int) -> str:
    """A, B, ... Z, AA, AB, ..."""
    return (_letters(i // 26 - 1) if i >= 26 else "") + chr(ord("A") + i % 26)
