"""Text in columns, as wide as it is or cut to a width: whoever prints a table does it here."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence

GAP = "  "
SHORTEST = 7  # what is left of a cell that is cut
FAIR = 12  # what a column of words should have, before another is left out for it
CUT = "\u2026"


def aligned(
    rows: Sequence[Sequence[str]],
    right: Collection[int] = (),
    width: int | None = None,
    spare: Sequence[int] = (),
    whole: Collection[int] = (),
) -> list[str]:
    """The rows as lines whose cells stand below each other; those of the columns `right` at their right edge.

    Where a line would be wider than `width`, the widest of the other columns are narrowed, and their long cells cut in
    the middle: numbers are never cut, nor what is in the columns `whole`. Before a column gets very narrow, those of
    `spare` are left out, one by one.
    """
    if not rows:
        return []
    widths = [max(cells(row[i]) for row in rows) for i in range(len(rows[0]))]
    if width is not None:
        free = [i for i in range(len(widths)) if i not in right and i not in whole]
        made = _narrowed(widths, free, width)
        if spare and any(made[i] < min(FAIR, widths[i]) for i in free):
            out = spare[0]
            rest = [[cell for i, cell in enumerate(row) if i != out] for row in rows]
            right, spare, whole = ([i - (i > out) for i in columns] for columns in (right, spare[1:], whole))
            return aligned(rest, right, width, spare, whole)
        widths = made
    lines = []
    for row in rows:
        said = [middle_cut(cell, size) for cell, size in zip(row, widths, strict=True)]
        blank = [" " * (size - cells(cell)) for cell, size in zip(said, widths, strict=True)]
        lines.append(GAP.join(b + c if i in right else c + b for i, (c, b) in enumerate(zip(said, blank, strict=True))))
    return [line.rstrip() for line in lines]


def _narrowed(widths: list[int], free: Sequence[int], width: int) -> list[int]:
    """The widths with the widest of the free columns made equal, until all have room or are as short as may be."""
    made = list(widths)
    room = width - len(GAP) * (len(widths) - 1)
    while sum(made) > room and (long := [i for i in free if made[i] > SHORTEST]):
        made[max(long, key=lambda i: made[i])] -= 1
    return made


def middle_cut(text: str, width: int) -> str:
    """The text in at most `width` cells of a terminal, its middle left out: both ends of a name tell most."""
    if cells(text) <= width:
        return text
    head = tail = ""
    left, right = list(text), list(text)
    while left:
        if cells(head) <= cells(tail):
            more, head = head + left.pop(0), head
            if cells(more) + cells(tail) + 1 > width:
                break
            head = more
        else:
            more = right.pop() + tail
            if cells(head) + cells(more) + 1 > width:
                break
            tail = more
    return head + CUT + tail


def cells(text: str) -> int:
    """How many cells of a terminal a text takes: signs of East Asia take two, marks on others none."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else not unicodedata.combining(c) for c in text)
