"""Fields that Caffe's schema does not know and that nobody reads: a misspelling, or a fork's word for other numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from caffe2py.errors import UnsupportedError
from caffe2py.graph.node import Node
from caffe2py.proto.net import told_fields
from caffe2py.proto.notes import NumberNote
from caffe2py.proto.text.prototxt import Unknown

CORRECT = "Correct them, or register a layer that reads them (see docs/custom-layers.md)."
IGNORE = f"{CORRECT} To compute without them: --ignore-unknown-fields, or load(..., ignore_unknown_fields=True)."
Fields = list[tuple[Any, Unknown]]  # with the messages that they are below


def check_all_read(nodes: Iterable[Node], wish: str = IGNORE) -> None:
    """`UnsupportedError` with every field that a layer which computes may need, and that nobody reads."""
    lines = [f"  {line}" for line in told_fields(_strange(nodes), "nothing reads it")]
    if lines:
        raise UnsupportedError("the net may mean other numbers than would come out:", lines=[*lines, wish])


def unread_notes(nodes: Iterable[Node], idle: Fields, ignored: bool) -> tuple[str, ...]:
    """A note on each field that may change the numbers, and on each of the `idle` ones, which change none."""
    fact = "ignored, as was asked for, though the numbers may be others with it" if ignored else "nothing reads it"
    return (
        *map(NumberNote, told_fields(_strange(nodes), fact)),
        *told_fields(idle, "only training, an engine or a display reads it"),
    )


def _strange(nodes: Iterable[Node]) -> Fields:
    return [(node.message, u) for node in nodes for u in node.unread]
