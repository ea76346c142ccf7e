"""What the public functions take, checked before any work: a `CaffeError` says what was given and what is wanted."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping
from typing import Any

from caffe2py.errors import CaffeError


def one_of(name: str, value: Any, choices: Iterable[str | None]) -> None:
    """Is it one of a few words?"""
    if not any(value is choice or (isinstance(value, str) and value == choice) for choice in choices):
        raise CaffeError(f"{name} is {_told(value)}; want {' or '.join(map(_told, choices))}")


def whole(name: str, value: Any, least: int | None = None) -> int:
    """A whole number, of whatever type, as an int; no less than `least`."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or (least is not None and number < least):
        wish = "a whole number" if least is None else f"a whole number from {least} on"
        raise CaffeError(f"{name} is {_told(value)}; want {wish}")
    return number


def not_negative(name: str, value: Any) -> None:
    """Is it a number from 0 on?"""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise CaffeError(f"{name} is {_told(value)}; want a number from 0 on")


def names(name: str, value: Any) -> tuple[str, ...]:
    """Several names; one text is not several letters."""
    given = None if isinstance(value, str | bytes) or not isinstance(value, Iterable) else tuple(value)
    if given is None or not all(isinstance(each, str) for each in given):
        raise CaffeError(f"{name} is {_told(value)}; want a list of names, such as [{_told('deploy')}]")
    return given


def shapes(name: str, value: Any) -> dict[str, tuple[int, ...]]:
    """Shapes by blob."""
    if not isinstance(value, Mapping):
        raise CaffeError(f"{name} is {_told(value)}; want shapes by blob, such as {{'data': (1, 3, 224, 224)}}")
    made = {}
    for blob, shape in value.items():
        if isinstance(shape, str) or not isinstance(shape, Iterable):
            raise CaffeError(f'the shape of {name} "{blob}" is {_told(shape)}; want sizes, such as (1, 3, 224, 224)')
        made[blob] = tuple(whole(f'a size of {name} "{blob}"', size, 0) for size in shape)
    return made


def _told(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)
