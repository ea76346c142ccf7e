"""The errors caffe2py raises: one base class, a kind for each thing that can be wrong.

Every message tells the place, the fact and the wish, as in
``se.prototxt:243: layer "conv2_1" (Axpy): scale (1, 128) does not fit x (1, 256, 56, 56); want (1, 256)``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Where in a file something stands. Prints as ``net.prototxt:12`` or ``net.prototxt:12:7``."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        parts = [f"{self.file}"]  # so that an Alias is told by its name
        if self.line:
            parts.append(str(self.line))
            if self.column:
                parts.append(str(self.column))
        return ":".join(parts)


LONGEST = 200  # letters of a name that are shown
LINE = 600  # letters of a line of an error


def shown(text: str, most: int = LONGEST) -> str:
    """A name or another text out of a file, fit to be printed: on one line, not long, and without effect.

    What does not print is written out, as `\\x1b` and `\\u202e`: a name cannot move a terminal's cursor, turn the
    direction of a line, or begin a new one. Of a long text the middle is left out.
    """
    if len(text) > most:
        end = most // 4
        text = f"{text[: most - end - 3]}...{text[-end:]}"
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def first_line(error: BaseException) -> str:
    """What an error of a library says first; its kind, where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


class CaffeError(Exception):
    """Base of everything that caffe2py raises about a user's files, nets or values.

    A message is one line, and so is each of `lines`, which list what is too much for it. They are fit to be printed,
    whatever names out of a file are in them.
    """

    def __init__(self, message: str, place: Place | str | None = None, lines: Iterable[str] = ()) -> None:
        self.place = place
        said = shown(message, LINE)
        super().__init__(
            "\n".join([f"{shown(f'{place}')}: {said}" if place else said, *(shown(x, LINE) for x in lines)])
        )


class FileError(CaffeError):
    """A file that is missing, unreadable, not writable, or of another kind than was asked for."""


class PrototxtError(CaffeError):
    """Text that is not a prototxt, or says something that the schema does not allow."""


class CaffemodelError(CaffeError):
    """A weights file whose bytes do not hold what they claim."""


class NetError(CaffeError):
    """A net that Caffe itself would refuse: a missing bottom, a bad shape, a forbidden overwrite."""


class WeightError(CaffeError):
    """Weights that do not fit the net: a layer missing, a wrong count, a wrong shape."""


class UnsupportedError(CaffeError):
    """Layers, or settings of layers, that cannot be run or said in the target; names all of them at once."""


class CheckError(CaffeError):
    """A file that was written, and does not hold what it should: its format or its numbers are wrong."""
