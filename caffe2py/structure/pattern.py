"""A row of items that comes several times, and a block put in the place of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from caffe2py.structure.signs import Signs
from caffe2py.structure.tree import Body, Item, Region, Row, Use, leaves

Leaves = tuple[int | None, ...]


class Pattern:
    """The rows with some signs."""

    def __init__(self, signs: Signs, marks: Sequence[int], wanted: tuple[int, ...]) -> None:
        self.signs = signs
        self.marks = marks
        self.wanted = wanted

    def found(self, body: Body) -> Iterator[Row]:
        """The rows in a body that have them."""
        for row in body:
            for piece in self._pieces(row):
                if isinstance(piece, tuple):
                    yield piece
                elif isinstance(piece, Region):
                    for branch in piece.branches:
                        yield from self.found(branch)

    def _pieces(self, row: Row) -> Iterator[Row | Item]:
        """A row's items, those that match together."""
        own = [self.signs.of(item, self.marks) for item in row]
        i = 0
        while i < len(row):
            if tuple(own[i : i + len(self.wanted)]) == self.wanted:
                yield row[i : i + len(self.wanted)]
                i += len(self.wanted)
            else:
                yield row[i]
                i += 1

    def replaced(self, body: Body, uses: dict[Row, Use]) -> Body:
        """The body with blocks in the places of rows."""

        def again(item: Item) -> Item:
            if not isinstance(item, Region):
                return item
            return Region(tuple(self.replaced(branch, uses) for branch in item.branches), item.join)

        made = []
        for row in body:
            items: list[Item] = []
            for piece in self._pieces(row):
                if not isinstance(piece, tuple):
                    items.append(again(piece))
                elif piece in uses:
                    items.append(uses[piece])
                else:
                    items += map(again, piece)
            made.append(tuple(items))
        return tuple(made)

    def aligned(self, model: Row, row: Row) -> Leaves | None:
        """The row's leaves beside the model's, None where it lacks one; None where the two are wired in other ways."""
        order = tuple(leaves(model))
        try:
            found = tuple(_beside(model, row))
        except ValueError:
            return None
        lacking = [k for k, leaf in enumerate(found) if leaf is None and order[k] is not None]
        wires = self.signs.parts.wires(found)
        return found if wires is not None and wires == self.signs.parts.wires(order, lacking) else None


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
