"""Which whole numbers of a class vary, and which follow from others: `width * 4`, `channels // 16`.

A number is an argument of the class where its value differs between the class's instances. One whose value is another
argument's, times or divided by the same factor in every instance, is computed, if that argument has several values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

WIDTHS = frozenset("in_channels out_channels in_features out_features channels groups".split())
WINDOWS = frozenset("kernel_size stride padding dilation".split())
LARGEST = 64  # factor

Column = list[int | None]  # by instance; None where the instance lacks the layer


@dataclass
class Place:
    """A number of the class's text: its values, what it is, and of which member."""

    role: str
    values: Column
    member: str = ""

    @property
    def kind(self) -> str:
        return "width" if self.role in WIDTHS else "window" if self.role in WINDOWS else self.role or "number"


@dataclass
class Variable:
    """An argument of the class."""

    place: Place
    values: list[int]
    name: str = ""
    default: int | None = None


@dataclass(frozen=True)
class Said:
    """How a number is said: itself, or by an argument, times or divided by a factor."""

    value: int = 0
    variable: int | None = None
    sign: str = ""
    factor: int = 1

    def text(self, names: Sequence[str]) -> str:
        if self.variable is None:
            return str(self.value)
        return f"{names[self.variable]} {self.sign} {self.factor}" if self.sign else names[self.variable]


def solve(places: Sequence[Place]) -> tuple[list[Variable], list[Said]]:
    """The arguments that tell all numbers, and how each number is said."""
    variables: list[Variable] = []
    said: list[Said | None] = [None] * len(places)
    whole = [i for i, place in enumerate(places) if None not in place.values]
    for i in [*whole, *(i for i in range(len(places)) if i not in set(whole))]:
        place = places[i]
        values = [v for v in place.values if v is not None]
        if len(set(values)) == 1:
            said[i] = Said(values[0])
            continue
        said[i] = _by(place, variables)
        if said[i] is None:
            common = Counter(values).most_common(1)[0][0]
            variables.append(Variable(place, [common if v is None else v for v in place.values]))
            said[i] = Said(variable=len(variables) - 1)
    for variable in variables:
        common, times = Counter(variable.values).most_common(1)[0]
        if variable.place.kind != "width" and times * 2 > len(variable.values):
            variable.default = common
    return variables, [s for s in said if s is not None]


def _by(place: Place, variables: Sequence[Variable]) -> Said | None:
    """The number as an argument says it; None where none does."""
    for i, variable in enumerate(variables):
        if _alike(place, variable) and all(v in (None, w) for v, w in zip(place.values, variable.values, strict=True)):
            return Said(variable=i)
    found = []
    for i, variable in enumerate(variables):
        pairs = [(v, w) for v, w in zip(place.values, variable.values, strict=True) if v is not None]
        if len({w for _, w in pairs}) < 2:
            continue
        if place.kind == variable.place.kind == "width":
            v, w = pairs[0]
            for sign, factor in (("*", v // w if w else 0), ("//", w // v if v else 0)):
                if 1 < factor <= LARGEST and all(v == (w * factor if sign == "*" else w / factor) for v, w in pairs):
                    found.append((factor, i, Said(variable=i, sign=sign, factor=factor)))
        elif place.role == "padding" and variable.place.role == "kernel_size" and all(v == w // 2 for v, w in pairs):
            found.append((2, i, Said(variable=i, sign="//", factor=2)))
    return min(found, key=lambda each: each[:2])[2] if found else None


def _alike(place: Place, variable: Variable) -> bool:
    """May equal values be one number? Widths may, and else what is the same setting."""
    if place.kind == variable.place.kind == "width":
        return True
    if {place.role, variable.place.role} == {"padding", "dilation"}:
        return True
    return place.role == variable.place.role
