"""Which whole numbers of a class vary, and which follow from others: `width * 4`, `channels // 16`.

A number is an argument of the class where its value differs between the class's instances. One whose value is another
argument's, times or divided by the same factor in every instance, is computed, if that argument has several values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

WIDTHS = frozenset("in_channels out_channels in_features out_features channels groups".split())
WINDOWS = frozenset("kernel_size stride padding dilation".split())
FLAG = "flag"  # what a number is that says whether there is a shortcut
LARGEST = 64  # factor
SMALLEST = 8  # of widths that tell a number without a name: smaller ones are too often equal

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
    """An argument of the class. `roles` are those of all numbers that it says."""

    place: Place
    values: list[int]
    name: str = ""
    default: int | None = None
    roles: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Said:
    """How a number is said: itself, or by an argument, times or divided by a factor, or by a sum of such."""

    value: int = 0
    variable: int | None = None
    sign: str = ""
    factor: int = 1
    terms: tuple[Said, ...] = ()

    def text(self, names: Sequence[str]) -> str:
        if self.terms:
            return " + ".join(term.text(names) for term in self.terms)
        if self.variable is None:
            return str(self.value)
        return f"{names[self.variable]} {self.sign} {self.factor}" if self.sign else names[self.variable]


def value(said: Said, variables: Sequence[Variable], i: int) -> int:
    """A number's value in instance i."""
    if said.terms:
        return sum(value(term, variables, i) for term in said.terms)
    if said.variable is None:
        return said.value
    found = variables[said.variable].values[i]
    return found * said.factor if said.sign == "*" else found // said.factor if said.sign else found


def solve(places: Sequence[Place]) -> tuple[list[Variable], list[Said]]:
    """The arguments that tell all numbers, and how each number is said."""
    variables: list[Variable] = []
    said: list[Said | None] = [None] * len(places)
    common: Counter[Said] = Counter()
    # Numbers that all have come first, and widths before what may be said by one.
    for i, place in sorted(enumerate(places), key=lambda each: (None in each[1].values, each[1].kind == "number")):
        values = [v for v in place.values if v is not None]
        if len(set(values)) == 1:
            same = _same(place, variables) if None in place.values else None
            said[i] = Said(values[0]) if same is None else Said(variable=same)
            continue
        by = _by(place, variables, common)
        if by is None:
            usual = Counter(values).most_common(1)[0][0]
            variables.append(Variable(place, [usual if v is None else v for v in place.values]))
            by = Said(variable=len(variables) - 1)
        said[i] = by
        if by.variable is not None and not by.sign:
            variables[by.variable].roles.add(place.role)
        common[by] += 1
    for variable in variables:
        if variable.place.role == FLAG:
            variable.default = 0
        elif variable.place.role in ("stride", "groups") or "dilation" in variable.roles:
            variable.default = 1 if 1 in variable.values else None
        elif variable.place.kind == "window":
            variable.default = Counter(variable.values).most_common(1)[0][0]
    return variables, [s for s in said if s is not None]


def _same(place: Place, variables: Sequence[Variable]) -> int | None:
    """The argument that is the same setting as a number that some instances lack, and has one value in the others."""
    alike = [
        i
        for i, variable in enumerate(variables)
        if place.role == variable.place.role == "stride" or place.kind == variable.place.kind == "width"
        if all(v in (None, w) for v, w in zip(place.values, variable.values, strict=True))
    ]
    return next((i for i in alike if variables[i].place.role == place.role), next(iter(alike), None))


def _by(place: Place, variables: Sequence[Variable], common: Counter[Said]) -> Said | None:
    """The number as an argument says it, the way that is common already before others; None where none does."""
    found: list[tuple[int, Said]] = []  # by how far it is fetched
    for i, variable in enumerate(variables):
        if _alike(place, variable) and all(v in (None, w) for v, w in zip(place.values, variable.values, strict=True)):
            found.append((-1 if place.role == variable.place.role else 0, Said(variable=i)))
    for i, variable in enumerate(variables):
        pairs = [(v, w) for v, w in zip(place.values, variable.values, strict=True) if v is not None]
        if len({w for _, w in pairs}) < 2:
            continue
        if place.kind == variable.place.kind == "width":
            v, w = pairs[0]
            for sign, factor in (("*", v // w if w else 0), ("//", w // v if v else 0)):
                if 1 < factor <= LARGEST and all(v == (w * factor if sign == "*" else w / factor) for v, w in pairs):
                    found.append((factor, Said(variable=i, sign=sign, factor=factor)))
        elif place.role == "padding" and variable.place.role == "kernel_size" and all(v == w // 2 for v, w in pairs):
            found.append((2, Said(variable=i, sign="//", factor=2)))
    return min(found, key=lambda each: (each[0] >= 0, -common[each[1]], each[0]))[1] if found else None


def _alike(place: Place, variable: Variable) -> bool:
    """May equal values be one number? Widths may, numbers that nobody names by them, and else the same settings."""
    if variable.place.kind == "width" and place.kind in ("width", "number"):
        return place.kind == "width" or (len(set(variable.values)) > 1 and min(variable.values) > SMALLEST)
    if {place.role, variable.place.role} == {"padding", "dilation"}:
        return True
    return place.role == variable.place.role
