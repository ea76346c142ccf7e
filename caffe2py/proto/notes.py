"""Notes: what the reading of a net did, or left aside."""

from __future__ import annotations

from collections.abc import Iterable


class NumberNote(str):
    """A note on what may change the numbers: every command prints it, and what is written keeps it."""


def of_numbers(notes: Iterable[str]) -> tuple[str, ...]:
    """Those of the notes that may change the numbers."""
    return tuple(note for note in notes if isinstance(note, NumberNote))
