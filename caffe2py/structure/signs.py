"""Numbers for what is equal: layers, blocks, and branches with all in them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence

from caffe2py.structure.joins import is_sum
from caffe2py.structure.parts import Parts
from caffe2py.structure.tree import Body, Item, Region, Row, Use, leaves

SMALL = 3  # layers in a projection

Mark = Callable[[int, bool], Hashable]


class Signs:
    """The signs of items; `strict` marks tell parts apart by their kernels, `loose` ones do not."""

    def __init__(self, parts: Parts, mark: Mark) -> None:
        self.parts = parts
        n = len(parts.parts)
        numbers: dict[Hashable, int] = {}
        self.strict = [numbers.setdefault(mark(i, False), i) for i in range(n)]
        self.loose = [numbers.setdefault(("loose", mark(i, True)), i) for i in range(n)]
        self.kinds = [numbers.setdefault(("kind", self.loose[i], parts.alone(i)), i) for i in range(n)]
        self._numbers: dict[Hashable, int] = {}
        self._optional: set[Hashable] = set()
        self._known: dict[tuple[int, int, bool], tuple[Region, int]] = {}  # signs of regions

    def _number(self, sign: Hashable) -> int:
        return self._numbers.setdefault(sign, len(self._numbers))

    def of(self, item: Item, marks: Sequence[int], plain: bool = False) -> int:
        """A number that equal items have. A region in which some have a projection is equal to one without."""
        if isinstance(item, int):
            return self._number(("part", marks[item]))
        if isinstance(item, Use):
            return self._number(("use", item.of, *(leaf is not None and self.kinds[leaf] for leaf in item.leaves)))
        place = id(item), id(marks), plain
        if place not in self._known:
            self._known[place] = item, self._number(self._region_sign(item, marks, plain))
        return self._known[place][1]

    def _region_sign(self, region: Region, marks: Sequence[int], plain: bool) -> Hashable:
        if not plain and (halves := self._halves(region)):
            key = self._key(halves, region.join)
            if key in self._optional:
                return ("optional", *key)
        return tuple(self._body_sign(b, marks, plain) for b in region.branches), marks[region.join]

    def _body_sign(self, body: Body, marks: Sequence[int], plain: bool = False) -> Hashable:
        return tuple(tuple(self.of(item, marks, plain) for item in row) for row in body)

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

    def learn(self, rows: Iterable[Row]) -> None:
        """See which regions may have a projection or not: those in which all projections there are, are alike."""
        found: dict[Hashable, set[Hashable]] = {}
        for row in rows:
            for item in row:
                if isinstance(item, Region) and (halves := self._halves(item)):
                    shortcuts = found.setdefault(self._key(halves, item.join), set())
                    shortcuts.update([self._body_sign(halves[2], self.loose)] if halves[2] else [])
        self._known.clear()
        self._optional = {key for key, shortcuts in found.items() if len(shortcuts) == 1}
