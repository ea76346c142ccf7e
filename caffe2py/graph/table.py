"""The graph as a table: a row for each layer, and the totals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from caffe2py.errors import shown
from caffe2py.graph.columns import aligned
from caffe2py.layers.base import Shape, text

HEADS = ("layer", "type", "what", "reads", "makes", "shape", "parameters", "multiply-adds")
NUMBERS = (HEADS.index("parameters"), HEADS.index("multiply-adds"))
WHOLE = (HEADS.index("shape"),)
SPARE = tuple(map(HEADS.index, ("reads", "what", "makes")))


@dataclass(frozen=True)
class Row:
    """One layer as `show` tells it."""

    name: str
    type: str
    what: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    shapes: tuple[Shape | None, ...]
    parameters: int
    multiply_adds: int | None

    def cells(self) -> tuple[str, ...]:
        adds = "?" if self.multiply_adds is None else f"{self.multiply_adds:,}" if self.multiply_adds else ""
        return (
            shown(self.name),
            shown(self.type),
            shown(self.what),
            ", ".join(map(shown, self.bottoms)),
            ", ".join(map(shown, self.tops)),
            ", ".join(map(text, self.shapes)),
            f"{self.parameters:,}" if self.parameters else "",
            adds,
        )


@dataclass(frozen=True)
class Totals:
    """What the whole net comes to. `unknown` counts layers of types that are not known."""

    layers: int
    parameters: int
    multiply_adds: int
    unknown: int

    def __str__(self) -> str:
        said = f"{self.layers} layers, {self.parameters:,} parameters, {self.multiply_adds:,} multiply-adds"
        return f"{said}, {self.unknown} layers that could not be counted" if self.unknown else said


def table_text(rows: Iterable[Row], totals: Totals, width: int | None = None) -> str:
    """The table in plain text, the totals below; in a width, where one is given, by cutting names and columns."""
    lines = aligned([HEADS, *(row.cells() for row in rows)], NUMBERS, width, SPARE, WHOLE)
    return "\n".join([*lines, "", str(totals)])
