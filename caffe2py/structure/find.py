"""Blocks: what repeats in a net, so often and so large that it is worth a name.

    net     conv pool [conv conv + ] [conv conv + ] [conv conv + ] fc
    found   conv pool    A              A              A           fc      A: [conv conv + ]

Found by what it saves: of all groups of layers in a row that come several times, equal but for whole numbers, the one
that saves the most lines is taken; then again, in what is left and inside what was found.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from caffe2py.structure.joins import is_gate
from caffe2py.structure.names import shared_name
from caffe2py.structure.parts import Parts
from caffe2py.structure.pattern import Pattern
from caffe2py.structure.signs import Mark, Signs
from caffe2py.structure.tree import Body, Item, Region, Row, Use, leaves, rows, tree

LONGEST = 24  # items in a row that repeat together
OVERHEAD = 6  # lines that a block takes beside those of its layers
CALL = 1.5  # lines that the use of a block takes
WORTH = 8  # lines that a block must save
WHOLE = 4  # so many fewer where nothing is before it or behind it
BRANCHED = -1  # one with branches, which make it a block by themselves
SMALL = 3  # layers in a small block
LONG = 5  # equal steps in a row that are worth a loop
PLACES = 4  # where a step comes twice that are worth a block of two


@dataclass
class Block:
    """Layers that come several times: those of the first whole one, as a tree and in its order, and all of them so."""

    body: Body
    leaves: tuple[int | None, ...]
    instances: list[tuple[int | None, ...]] = field(default_factory=list)

    def uses(self) -> Iterator[Use]:
        return (item for row in rows(self.body) for item in row if isinstance(item, Use))

    @property
    def optional(self) -> frozenset[int]:
        """The places of layers that some of the instances lack."""
        return frozenset(k for each in self.instances for k, leaf in enumerate(each) if leaf is None)


@dataclass
class Structure:
    """A net as blocks. `net` is the whole; the others are by number, those that are inside others after them."""

    parts: Parts
    net: Block
    blocks: list[Block]


def find(parts: Parts, mark: Mark | None = None) -> Structure:
    """The blocks of a net. `mark` tells which parts are equal (see `Parts.mark`)."""
    return _Finder(parts, mark or parts.mark).found()


class _Finder:
    def __init__(self, parts: Parts, mark: Mark) -> None:
        self.parts = parts
        self.signs = Signs(parts, mark)
        self.lines = [parts.lines(i) for i in range(len(parts.parts))]
        whole = tree(parts.flow, parts.reads)
        order = tuple(leaf for row in whole for leaf in leaves(row))
        self.net = Block(whole, order, [order])
        self.blocks: list[Block] = []
        self.gates: set[int] = set()

    def found(self) -> Structure:
        self._take(self.signs.strict, lambda row: len(row) == 1 and is_gate(self.parts, row[0]), worth=-OVERHEAD * 4)
        self.gates = set(range(len(self.blocks)))
        self._take(self.signs.strict, lambda row: self._is_block(row) and _regions(row) > 0, worth=BRANCHED)
        branched = len(self.blocks)
        self._take(self.signs.loose, self._is_small, worth=WORTH)
        self.gates |= set(range(branched, len(self.blocks)))
        self._take(self.signs.strict, self._is_block, worth=WORTH)
        for wanted in self._runs():
            self._make(wanted, self.signs.strict)
        return Structure(self.parts, self.net, self.blocks)

    def _is_block(self, row: Row) -> bool:
        """Not several blocks in a row, and not one thing several times with other kernels, nor nearly so."""
        if any(isinstance(item, Use) and item.of not in self.gates for item in row) or _regions(row) > 1:
            return False
        signs = tuple(self.signs.of(item, self.signs.kinds) for item in row)
        period = _period(signs)
        return period == len(row) or (self._weighted(row[:period]) < 2 and len(row) % period > 0)

    def _is_small(self, row: Row) -> bool:
        """A layer with weights, and what works on each of its values."""
        if len(row) > SMALL or not all(isinstance(item, int) for item in row):
            return False
        types = [self.parts.parts[item].node.type for item in row if isinstance(item, int)]
        return types[0] in ("Convolution", "InnerProduct", "Deconvolution") and types[1:2] == ["BatchNorm"]

    # choosing

    def _take(self, marks: Sequence[int], fits: Callable[[Row], bool], worth: float) -> None:
        refused: set[tuple[int, ...]] = set()
        self.signs.learn(row for block in self._all() for row in rows(block.body))
        while (best := self._best(marks, fits, worth, refused)) is not None:
            if not self._make(best, marks):
                refused.add(best)

    def _best(
        self, marks: Sequence[int], fits: Callable[[Row], bool], worth: float, refused: set[tuple[int, ...]]
    ) -> tuple[int, ...] | None:
        """The signs of the row of items that saves most."""
        places: dict[tuple[int, ...], list[tuple[int, int]]] = {}
        all_rows = [row for block in self._all() for row in rows(block.body)]
        for number, row in enumerate(all_rows):
            signs = [self.signs.of(item, marks) for item in row]
            for start in range(len(row)):
                for end in range(start + 1, min(start + LONGEST, len(row)) + 1):
                    if end - start > 1 or isinstance(row[start], Region):
                        places.setdefault(tuple(signs[start:end]), []).append((number, start))
        best: tuple[float, int, int, int] | None = None
        chosen = None
        for signs_, where in places.items():
            if len(where) < 2 or signs_ in refused or _is_power(signs_):
                continue
            number, start = where[0]
            row = all_rows[number][start : start + len(signs_)]
            if not fits(row) or self._weighted(row) < 2:
                continue
            apart = _apart(where, len(signs_))
            if any(len(places.get((sign,), ())) > len(apart) for sign in self._alone(row, signs_)):
                continue
            if _period(tuple(self.signs.of(item, self.signs.kinds) for item in row)) < len(row):
                apart = [
                    (n, s) for n, s in apart if len(all_rows[n]) == len(row)
                ]  # one thing several times: whole rows
                if len(apart) < 2:
                    continue
            size = max(sum(self._size(item) for item in all_rows[n][s : s + len(signs_)]) for n, s in apart)
            saved = (len(apart) - 1) * size - OVERHEAD - CALL * len(apart)
            whole = all(len(all_rows[n]) == len(row) for n, _ in apart)  # as branches side by side
            if saved < worth - (WHOLE if whole else 0) or len(apart) < 2:
                continue
            letters = sum(self._letters(all_rows[n][s : s + len(signs_)]) for n, s in apart)
            value = saved, len(signs_), letters, -start
            if best is None or value > best:
                best, chosen = value, signs_
        return chosen

    def _alone(self, row: Row, signs: tuple[int, ...]) -> list[int]:
        """Those of its signs that are a block by themselves, with another in front of it or behind it."""
        outside = [item for item in row if not isinstance(item, Region)]
        several = self._heavy(outside) > 1
        return [sign for item, sign in zip(row, signs, strict=True) if isinstance(item, Region) and several]

    def _heavy(self, items: Sequence[Item]) -> int:
        """How many layers, and gates, multiply by weights."""
        return sum(not isinstance(item, int) or self.parts.multiplies(item) for item in items)

    def _size(self, item: Item) -> float:
        if isinstance(item, Use):
            return CALL
        if isinstance(item, int):
            return self.lines[item]
        return self.lines[item.join] + sum(self._size(i) for b in item.branches for row in b for i in row)

    def _weighted(self, row: Row) -> int:
        return sum(bool(leaf is not None and self.parts.parts[leaf].node.weights) for leaf in leaves(row))

    def _letters(self, row: Row) -> int:
        """How many letters names in a row share: a repeat may as well begin within a block as with it."""
        nodes = [self.parts.parts[leaf].node for leaf in leaves(row) if leaf is not None]
        named = [node.name for node in nodes], [node.name for node in nodes if node.weights]
        return sum(len(shared_name(names)) for names in named)

    def _runs(self) -> list[tuple[int, ...]]:
        """The signs of what comes several times right behind itself.

        Layers with what works on each of their values, many times with equal numbers; or as often in each place as in
        every other, as the two convolutions of every level of a U-Net.
        """
        runs: dict[tuple[int, ...], list[list[Row]]] = {}
        for row in rows(self.net.body):
            for signs, some in groupby(self._steps(row), key=self._signs_of):
                runs.setdefault(signs, []).append(list(some))
        long, even = [], []
        for signs, found in runs.items():
            if self._weighted(found[0][0]) == 0:
                continue
            equal = max(len(list(same)) for run in found for _, same in groupby(map(self._said, run)))
            if len(signs) > 1 and equal >= LONG:
                long.append(signs)
            elif {len(run) for run in found} == {2} and len(found) >= PLACES:
                even.append(signs * 2)
        return [*long, *even]

    def _steps(self, row: Row) -> Iterator[Row]:
        """A row in pieces: each thing that does more than to work on each value, with what does no more behind it."""
        step: list[Item] = []
        for item in row:
            if step and not (isinstance(item, int) and self.parts.is_pointwise(item)):
                yield tuple(step)
                step = []
            step.append(item)
        yield tuple(step)

    def _signs_of(self, row: Row) -> tuple[int, ...]:
        return tuple(self.signs.of(item, self.signs.strict) for item in row)

    def _said(self, row: Row) -> Hashable:
        """All that layers say, their numbers too."""
        parts = [self.parts.parts[leaf] for leaf in leaves(row) if leaf is not None]
        return tuple((part.node.layer, tuple(weight.shape for weight in part.node.weights)) for part in parts)

    # making

    def _make(self, wanted: tuple[int, ...], marks: Sequence[int]) -> bool:
        """Have a block for all rows with these signs that are wired alike; False where there are no two."""
        pattern = Pattern(self.signs, marks, wanted)
        found = [row for block in self._all() for row in pattern.found(block.body)]
        model = max(found, key=lambda row: sum(1 for _ in leaves(row)))
        number = len(self.blocks)
        uses = {row: Use(number, own) for row in found if (own := pattern.aligned(model, row)) is not None}
        if len(uses) < 2:
            return False
        new = Block((model,), tuple(leaves(model)))
        for block in self._all():
            block.body = pattern.replaced(block.body, uses)
            for use in block.uses():
                if use.of == number:
                    for own in block.instances:
                        here = dict(zip(block.leaves, own, strict=True))
                        there = tuple(None if leaf is None else here[leaf] for leaf in use.leaves)
                        if any(leaf is not None for leaf in there):
                            new.instances.append(there)
        self.blocks.append(new)
        return True

    def _all(self) -> list[Block]:
        return [self.net, *self.blocks]


def _regions(row: Row) -> int:
    return sum(isinstance(item, Region) for item in row)


def _is_power(signs: tuple[int, ...]) -> bool:
    """Is it something shorter, several times?"""
    period = _period(signs)
    return period < len(signs) and len(signs) % period == 0


def _period(signs: tuple[int, ...]) -> int:
    """The fewest of them after which they come again, as far as there are more; all, where they do not."""
    n = len(signs)
    most = (n + 1) // 2
    return next((k for k in range(1, most + 1) if k < n and signs[k:] == signs[: n - k]), n)


def _apart(where: list[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    """The places that do not overlap, from the first on; places are in order."""
    found: list[tuple[int, int]] = []
    for number, start in where:
        if not found or found[-1][0] != number or start >= found[-1][1] + length:
            found.append((number, start))
    return found
