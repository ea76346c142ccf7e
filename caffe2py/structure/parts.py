"""A graph's layers as the parts that repeat: most are one, and one that does two things is two."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from caffe2py.graph import Graph, Node, Value
from caffe2py.layers.utility.axpy import Axpy
from caffe2py.structure.flow import Flow
from caffe2py.structure.names import bare, begins, numbered, says, shared_name, without_type


@dataclass(frozen=True)
class Part:
    """A layer, or one of the two steps of an Axpy: the product of a gate (`step` 0), the sum behind it (1)."""

    node: Node
    reads: tuple[Value, ...]
    makes: tuple[Value, ...]
    step: int | None = None


@dataclass(frozen=True)
class Parts:
    """The parts of a graph, inputs included, in the order in which they run."""

    graph: Graph
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, graph: Graph) -> Parts:
        parts: list[Part] = []
        for node in graph.nodes:
            if isinstance(node.layer, Axpy) and not any(node.stopped):
                gated = Value(f"{node.tops[0]} gated", 0)
                parts.append(Part(node, node.bottoms[:2], (gated,), 0))
                parts.append(Part(node, (gated, node.bottoms[2]), node.tops, 1))
            else:
                parts.append(Part(node, node.bottoms, node.tops))
        return cls(graph, tuple(parts))

    @cached_property
    def makers(self) -> dict[Value, tuple[int, int]]:
        """The part that makes each value, and which of its tops it is."""
        return {v: (i, k) for i, part in enumerate(self.parts) for k, v in enumerate(part.makes)}

    @cached_property
    def readers(self) -> dict[Value, list[int]]:
        """The parts that read each value, once for each time."""
        found: dict[Value, list[int]] = {v: [] for part in self.parts for v in part.makes}
        for i, part in enumerate(self.parts):
            for v in part.reads:
                found[v].append(i)
        return found

    @cached_property
    def reads(self) -> list[list[int]]:
        return [[self.makers[v][0] for v in part.reads] for part in self.parts]

    @cached_property
    def flow(self) -> Flow:
        ends = {self.makers[v][0] for v in self.graph.results}
        return Flow.of([set(read) for read in self.reads], ends)

    def rank(self, value: Value) -> int:
        part = self.parts[self.makers[value][0]]
        shape = self.graph.shapes.get(part.node.tops[0] if part.step == 0 else value)
        return len(shape or ())

    def mark(self, i: int, loose: bool = False) -> Hashable:
        """What two parts have in common that are alike but for whole numbers.

        Kernels, and whether a convolution goes over each channel alone, count as no such numbers, unless `loose`.
        """
        part = self.parts[i]
        node = part.node
        if node.layer.is_input or not part.reads:
            return ("input", i)
        said = tuple(_shape_of(f.name, getattr(node.layer, f.name), loose) for f in fields(node.layer))  # type: ignore[arg-type]
        ranks = tuple(self.rank(v) for v in (*part.reads, *part.makes))
        stops = node.stopped, tuple(map(bool, node.loss_weights))
        return (
            node.type,
            type(node.layer),
            said,
            part.step,
            ranks,
            len(node.weights),
            self.alone(i) and not loose,
            stops,
        )

    def alone(self, i: int) -> bool:
        """Does a convolution go over each channel alone?"""
        group = getattr(self.parts[i].node.layer, "group", 1)
        return group > 1 and group == getattr(self.parts[i].node.layer, "num_output", 0)

    def title(self, leaves: Iterable[int | None]) -> str:
        """What the layers of a block are called together: all, those that multiply by weights, or the last two.

        What others begin with too says little: a normalisation may be called after the block behind it. Names that
        begin in no common way may end in one: `conv1_stage2_L1`, `conv2_stage2_L1`.
        """
        nodes = [self.parts[leaf].node for leaf in leaves if leaf is not None]
        names = [node.name for node in nodes]
        heavy = [node.name for node in nodes if _multiplies(node)]
        begun = [*dict.fromkeys(filter(says, (shared_name(names), bare(shared_name(heavy)))))]
        if len(begun) > 1:
            others = self._heavy - {*heavy}
            begun = [each for each in begun if not any(begins(name, each) for name in others)] or begun
        ended = shared_name([name[::-1] for name in heavy])[::-1]
        found = next(iter(begun), "") or (ended if says(ended) else "") or numbered(heavy) or shared_name(names[-2:])
        return found or (without_type(heavy[0]) if heavy else names[-1])

    @cached_property
    def _heavy(self) -> frozenset[str]:
        return frozenset(part.node.name for part in self.parts if _multiplies(part.node))

    def multiplies(self, i: int) -> bool:
        """Has a part a matrix of weights, or kernels?"""
        return _multiplies(self.parts[i].node)

    def is_pointwise(self, i: int) -> bool:
        """Does a part work on each value of the one thing that it reads, or on few around it, without kernels?"""
        return self._goes_on(i) and not self.multiplies(i) and self.parts[i].node.type != "Pooling"

    def _goes_on(self, i: int) -> bool:
        """Does a part read one thing, and make one of its shape?"""
        part = self.parts[i]
        shapes = [self.graph.shapes.get(v) for v in (*part.reads, *part.makes)]
        return part.step is None and len(shapes) == 2 and shapes[0] == shapes[1]

    def lines(self, i: int) -> float:
        """How much text a part takes, about: a line where it is called, one where its weights are declared."""
        node = self.parts[i].node
        weighs = bool(node.weights)
        return weighs + float(not self._goes_on(i) or (weighs and node.type != "BatchNorm"))

    def wires(self, leaves: Sequence[int | None], through: Sequence[int] = ()) -> Hashable:
        """Who reads whom in a block: (part, top) of values made inside, numbers of those that come from outside.

        Parts at the places `through` count as absent: what they read is what others read of them. None where the
        block has more than one result.
        """
        place = {leaf: k for k, leaf in enumerate(leaves) if leaf is not None}
        skipped = {leaves[k] for k in through}
        outer: dict[Value, int] = {}

        def wire(v: Value) -> Hashable:
            maker, top = self.makers[v]
            while maker in skipped:
                v = self.parts[maker].reads[0]
                maker, top = self.makers[v]
            return (place[maker], top) if maker in place else outer.setdefault(v, len(outer))

        found = []
        results = set()
        for leaf in leaves:
            if leaf is None or leaf in skipped:
                continue
            found.append(tuple(wire(v) for v in self.parts[leaf].reads))
            for top, v in enumerate(self.parts[leaf].makes):
                if v in self.results or any(reader not in place for reader in self.readers[v]):
                    results.add((place[leaf], top))
        return (tuple(found), *results) if len(results) == 1 else None

    @cached_property
    def results(self) -> frozenset[Value]:
        return frozenset(self.graph.results)


def _multiplies(node: Node) -> bool:
    """Has it a matrix of weights, or kernels?"""
    return bool(node.weights) and len(node.weights[0].shape) > 1


def _shape_of(name: str, value: Any, loose: bool) -> Hashable:
    """A parameter without its whole numbers, however many of them there are."""
    if isinstance(value, bool) or not isinstance(value, (int, tuple)):
        return value if isinstance(value, Hashable) else repr(value)
    if isinstance(value, int) or all(isinstance(v, int) for v in value):
        return value if name == "kernel" and not loose else "n"
    return tuple(_shape_of(name, v, loose) for v in value)
