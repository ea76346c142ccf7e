"""Blocks: what repeats in a net, so often and so large that it is worth a name.

    net     conv pool [conv conv + ] [conv conv + ] [conv conv + ] fc
    found   conv pool    A              A              A           fc      A: [conv conv + ]

Found by what it saves: of all groups of layers in a row that come several times, equal but for whole numbers, the one
that saves the most lines is taken; then again, in what is left and inside what was found.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field

from caffe2py.structure.names import shared_name
from caffe2py.structure.parts import Parts
from caffe2py.structure.tree import Body, Item, Region, Row, Use, leaves, rows, tree

LONGEST = 24  # items in a row that repeat together
OVERHEAD = 6  # lines that a block takes beside those of its layers
CALL = 1.5  # lines that the use of a block takes
WORTH = 8  # lines that a block must save
BRANCHED = -1  # one with branches, which make it a block by themselves
SMALL = 3  # layers in a projection, and in a small block


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


Lines = Callable[[int], float]
Mark = Callable[[int, bool], Hashable]


def find(parts: Parts, mark: Mark | None = None, lines: Lines | None = None) -> Structure:
    """The blocks of a net. `mark` tells which parts are equal (see `Parts.mark`), `lines` how much text one takes."""
    return _Finder(parts, mark or parts.mark, lines or parts.lines).found()


def is_gate(parts: Parts, item: Item) -> bool:
    """Is it a product of something with what is made of it by pooling, and by a sigmoid at last?"""
    if not isinstance(item, Region) or len(item.branches) != 2 or not _multiplies(parts, item.join):
        return False
    made = [branch for branch in item.branches if branch]
    if len(made) != 1 or len(made[0]) != 1:
        return False
    row = made[0][0]
    if not all(isinstance(each, int) for each in row):
        return False
    types = [parts.parts[each].node.type for each in row if isinstance(each, int)]
    types = [each for each in types if each not in ("Reshape", "Flatten")]
    return len(types) >= 4 and types[0] == "Pooling" and types[-1] == "Sigmoid"


def _multiplies(parts: Parts, i: int) -> bool:
    part = parts.parts[i]
    return part.step == 0 or part.node.type == "Scale" or getattr(part.node.layer, "operation", "") == "PROD"


def is_sum(parts: Parts, i: int) -> bool:
    """Does it add two values?"""
    part = parts.parts[i]
    plain = part.node.type == "Eltwise" and not getattr(part.node.layer, "coeff", ())
    return part.step == 1 or (plain and getattr(part.node.layer, "operation", "") == "SUM")


class _Finder:
    def __init__(self, parts: Parts, mark: Mark, lines: Lines) -> None:
        self.parts = parts
        n = len(parts.parts)
        numbers: dict[Hashable, int] = {}
        self.strict = [numbers.setdefault(mark(i, False), i) for i in range(n)]
        self.loose = [numbers.setdefault(("loose", mark(i, True)), i) for i in range(n)]
        self.kinds = [numbers.setdefault(("kind", self.loose[i], parts.alone(i)), i) for i in range(n)]
        self.lines = [lines(i) for i in range(n)]
        self.numbers: dict[Hashable, int] = {}  # of signs
        whole = tree(parts.flow, parts.reads)
        order = tuple(leaf for row in whole for leaf in leaves(row))
        self.net = Block(whole, order, [order])
        self.blocks: list[Block] = []
        self.gates: set[int] = set()
        self.optional: set[Hashable] = set()

    def found(self) -> Structure:
        self._take(self.strict, lambda row: len(row) == 1 and is_gate(self.parts, row[0]), worth=-OVERHEAD * 4)
        self.gates = set(range(len(self.blocks)))
        self._take(self.strict, lambda row: self._is_block(row) and _regions(row) > 0, worth=BRANCHED)
        branched = len(self.blocks)
        self._take(self.loose, self._is_small, worth=WORTH)
        self.gates |= set(range(branched, len(self.blocks)))
        self._take(self.strict, self._is_block, worth=WORTH)
        return Structure(self.parts, self.net, self.blocks)

    def _is_block(self, row: Row) -> bool:
        """Not several blocks in a row, and not one thing several times with other kernels, nor nearly so."""
        if any(isinstance(item, Use) and item.of not in self.gates for item in row) or _regions(row) > 1:
            return False
        signs = tuple(self.sign(item, self.kinds) for item in row)
        period = _period(signs)
        return period == len(row) or (self._weighted(row[:period]) < 2 and len(row) % period > 0)

    def _is_small(self, row: Row) -> bool:
        """A layer with weights, and what works on each of its values."""
        if len(row) > SMALL or not all(isinstance(item, int) for item in row):
            return False
        types = [self.parts.parts[item].node.type for item in row if isinstance(item, int)]
        return types[0] in ("Convolution", "InnerProduct", "Deconvolution") and types[1:2] == ["BatchNorm"]

    # signs: a number for what is equal

    def _number(self, sign: Hashable) -> int:
        return self.numbers.setdefault(sign, len(self.numbers))

    def sign(self, item: Item, marks: Sequence[int], plain: bool = False) -> int:
        if isinstance(item, int):
            return self._number(("part", marks[item]))
        if isinstance(item, Use):
            return self._number(("use", item.of, *(leaf is not None and self.kinds[leaf] for leaf in item.leaves)))
        if not plain and (halves := self._halves(item)):
            key = self._key(halves, item.join)
            if key in self.optional:
                return self._number(("optional", *key))
        return self._number((tuple(self._body_sign(b, marks, plain) for b in item.branches), marks[item.join]))

    def _body_sign(self, body: Body, marks: Sequence[int], plain: bool = False) -> Hashable:
        return tuple(tuple(self.sign(item, marks, plain) for item in row) for row in body)

    def _halves(self, region: Region) -> tuple[int, Body, Body] | None:
        """Which of two branches that are added is a shortcut: its place, the other branch, and itself."""
        if len(region.branches) != 2 or not is_sum(self.parts, region.join):
            return None
        sizes = [sum(1 for row in branch for _ in leaves(row)) for branch in region.branches]
        at = sizes.index(min(sizes))
        shortcut = region.branches[at]
        plain = all(isinstance(item, int) and self.parts.parts[item].node.weights for row in shortcut for item in row)
        small = sizes[at] <= SMALL and sizes[at] < max(sizes)
        return (at, region.branches[1 - at], shortcut) if small and plain else None

    def _key(self, halves: tuple[int, Body, Body], join: int) -> tuple[Hashable, ...]:
        return halves[0], self._body_sign(halves[1], self.strict, plain=True), self.strict[join]

    def _optional(self) -> set[Hashable]:
        """The regions that may have a projection or not: those in which all projections there are, are alike."""
        found: dict[Hashable, set[Hashable]] = {}
        for row in (row for block in [self.net, *self.blocks] for row in rows(block.body)):
            for item in row:
                if isinstance(item, Region) and (halves := self._halves(item)):
                    shortcuts = found.setdefault(self._key(halves, item.join), set())
                    shortcuts.update([self._body_sign(halves[2], self.loose)] if halves[2] else [])
        return {key for key, shortcuts in found.items() if len(shortcuts) == 1}

    # choosing

    def _take(self, marks: Sequence[int], fits: Callable[[Row], bool], worth: float) -> None:
        refused: set[tuple[int, ...]] = set()
        self.optional = self._optional()
        while (best := self._best(marks, fits, worth, refused)) is not None:
            if not self._make(best, marks):
                refused.add(best)

    def _best(
        self, marks: Sequence[int], fits: Callable[[Row], bool], worth: float, refused: set[tuple[int, ...]]
    ) -> tuple[int, ...] | None:
        """The signs of the row of items that saves most."""
        places: dict[tuple[int, ...], list[tuple[int, int]]] = {}
        all_rows = [row for block in [self.net, *self.blocks] for row in rows(block.body)]
        for number, row in enumerate(all_rows):
            signs = [self.sign(item, marks) for item in row]
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
            if _period(tuple(self.sign(item, self.kinds) for item in row)) < len(row):
                apart = [
                    (n, s) for n, s in apart if len(all_rows[n]) == len(row)
                ]  # one thing several times: whole rows
                if len(apart) < 2:
                    continue
            size = max(sum(self._size(item) for item in all_rows[n][s : s + len(signs_)]) for n, s in apart)
            saved = (len(apart) - 1) * size - OVERHEAD - CALL * len(apart)
            if saved < worth or len(apart) < 2:
                continue
            letters = sum(self._letters(all_rows[n][s : s + len(signs_)]) for n, s in apart)
            value = saved, len(signs_), letters, -start
            if best is None or value > best:
                best, chosen = value, signs_
        return chosen

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

    # making

    def _make(self, signs: tuple[int, ...], marks: Sequence[int]) -> bool:
        """Have a block for all rows with these signs that are wired alike; False where there are no two."""
        number = len(self.blocks)
        found = [row for block in [self.net, *self.blocks] for row in self._matching(block.body, signs, marks)]
        model = max(found, key=lambda row: sum(1 for _ in leaves(row)))
        order = tuple(leaves(model))
        fitting = [each for row in found if (each := self._aligned(model, row, order)) is not None]
        if len(fitting) < 2:
            return False
        allowed = set(fitting)
        new = Block((model,), order)
        for block in [self.net, *self.blocks]:
            block.body = self._replaced(block.body, signs, marks, model, order, allowed, number)
            for use in block.uses():
                if use.of == number:
                    for own in block.instances:
                        here = dict(zip(block.leaves, own, strict=True))
                        there = tuple(None if leaf is None else here[leaf] for leaf in use.leaves)
                        if any(leaf is not None for leaf in there):
                            new.instances.append(there)
        self.blocks.append(new)
        return True

    def _matching(self, body: Body, signs: tuple[int, ...], marks: Sequence[int]) -> Iterator[Row]:
        for row in body:
            for piece in self._pieces(row, signs, marks):
                if isinstance(piece, tuple):
                    yield piece
                elif isinstance(piece, Region):
                    for branch in piece.branches:
                        yield from self._matching(branch, signs, marks)

    def _pieces(self, row: Row, signs: tuple[int, ...], marks: Sequence[int]) -> Iterator[Row | Item]:
        """A row's items, those that match together."""
        own = [self.sign(item, marks) for item in row]
        i = 0
        while i < len(row):
            if tuple(own[i : i + len(signs)]) == signs:
                yield row[i : i + len(signs)]
                i += len(signs)
            else:
                yield row[i]
                i += 1

    def _replaced(
        self,
        body: Body,
        signs: tuple[int, ...],
        marks: Sequence[int],
        model: Row,
        order: tuple[int | None, ...],
        allowed: set[tuple[int | None, ...]],
        number: int,
    ) -> Body:
        def again(item: Item) -> Item:
            if not isinstance(item, Region):
                return item
            return Region(
                tuple(self._replaced(b, signs, marks, model, order, allowed, number) for b in item.branches), item.join
            )

        made = []
        for row in body:
            items: list[Item] = []
            for piece in self._pieces(row, signs, marks):
                if isinstance(piece, tuple):
                    aligned = self._aligned(model, piece, order)
                    if aligned in allowed:
                        items.append(Use(number, aligned))
                    else:
                        items += map(again, piece)
                else:
                    items.append(again(piece))
            made.append(tuple(items))
        return tuple(made)

    def _aligned(self, model: Row, row: Row, order: tuple[int | None, ...]) -> tuple[int | None, ...] | None:
        """The row's leaves beside the model's, None where it lacks one; None where the two are wired in other ways."""
        try:
            found = tuple(_beside(model, row))
        except ValueError:
            return None
        lacking = [k for k, leaf in enumerate(found) if leaf is None and order[k] is not None]
        wires = self.parts.wires(found)
        return found if wires is not None and wires == self.parts.wires(order, lacking) else None


def _beside(model: Row, row: Row) -> Iterator[int | None]:
    for ours, theirs in zip(model, row, strict=True):
        if isinstance(ours, Region) and isinstance(theirs, Region):
            for own, other in zip(ours.branches, theirs.branches, strict=True):
                if own and not other:
                    yield from (None for each in own for _ in leaves(each))
                else:
                    for a, b in zip(own, other, strict=True):
                        yield from _beside(a, b)
            yield theirs.join
        elif isinstance(theirs, Use):
            yield from theirs.leaves
        elif isinstance(theirs, int):
            yield theirs
        else:
            raise ValueError("of another kind")


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
