"""The words that the layer files share: shapes, what is wrong with them, and small pieces of text."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

Shape = tuple[int, ...]
LOWEST = -3.4028234663852886e38  # the lowest number of float32, from which Caffe starts a maximum


class Misfit(Exception):
    """What a layer finds wrong with its bottoms or parameters; the graph adds the layer's name and place."""


def axis(index: int, shape: Shape, what: str = "axis") -> int:
    """A Caffe axis, where -1 is the last, as an index from 0."""
    n = len(shape)
    if not -n <= index < n:
        raise Misfit(f"{what} {index} is outside a bottom of shape {text(shape)}; want {-n} to {n - 1}")
    return index % n


def float32(value: float) -> float:
    """The float32 nearest to a number: for what Caffe computes in single precision."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return value * float("inf")


def text(shape: Shape | None) -> str:
    """A shape as Python prints it, `?` where it is not known."""
    return "?" if shape is None else f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def four(shape: Shape, what: str = "bottom") -> Shape:
    """A shape as Caffe's num, channels, height and width tell it: 1 for what is not there, `Misfit` above 4 axes."""
    if len(shape) > 4:
        raise Misfit(f"has a {what} of shape {text(shape)}; want 4 axes at the most")
    return (*shape, *(1,) * (4 - len(shape)))


def count(shape: Shape, start: int = 0, end: int | None = None) -> int:
    """The product of the dimensions from `start` to before `end`."""
    product = 1
    for d in shape[start:end]:
        product *= d
    return product


def same(shapes: Sequence[Shape], why: str) -> None:
    """`Misfit` unless all shapes are equal."""
    for i, s in enumerate(shapes):
        if s != shapes[0]:
            raise Misfit(f"bottom {i} {text(s)} differs from bottom 0 {text(shapes[0])}; {why}")


def one_each(word: str, values: Sequence[Any], tops: int) -> tuple[Any, ...]:
    """One value for each top, of one for all or one for each; () where none are given."""
    if len(values) not in (0, 1, tops):
        raise Misfit(f"gives {len(values)} {word} for {tops} tops; want 1, or one for each")
    return tuple(values) * tops if len(values) == 1 else tuple(values)


def deep(blob: str, behind: int) -> str:
    """The text of a blob with so many axes of 1 behind its own."""
    return f"{blob}[..., {', '.join(['None'] * behind)}]" if behind > 0 else str(blob)


def plain(values: Sequence[int]) -> Any:
    """(3, 3) as 3, (3, 2) as itself: how torch calls are written by hand."""
    return values[0] if len(set(values)) == 1 else tuple(values)
