"""The one way to skip a test: for something that is not there. Every reason says what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import pytest


def absent(what: str) -> NoReturn:
    """Skip the test that is running."""
    pytest.skip(f"absent: {what}")


def needs(there: object, what: str) -> pytest.MarkDecorator:
    """Run a test only where this is true."""
    return pytest.mark.skipif(not there, reason=f"absent: {what}")


def needs_module(name: str, what: str, version: str | None = None) -> Any:
    """A module that the project can do without."""
    return pytest.importorskip(name, version, reason=f"absent: {what}")


def some_long(values: Sequence[Any], short: Sequence[Any]) -> list[Any]:
    """The values of a test's parameter, all but these marked as long."""
    return [v if v in short else pytest.param(v, marks=pytest.mark.long) for v in values]


def each(name: str, values: Sequence[Any], what: str, ids: Callable[[Any], str] | None = None) -> pytest.MarkDecorator:
    """Run a test for each of these; where there are none, they are what is absent."""
    some = values or [pytest.param(None, marks=needs(False, what), id="none")]
    return pytest.mark.parametrize(name, some, ids=ids if values else None)
