"""The picture of the house: its rooms, how many files each has, and which imports which, as the code says it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from caffe2py.picture.cards import Card, Line
from caffe2py.picture.draw import drawn, sheet

PACKAGE = Path(__file__).resolve().parents[2] / "caffe2py"


def draw() -> str:
    """The rooms as SVG, each below those that it imports; what is imported through another room has no arrow."""
    rooms = {path.parent.name: sorted(path.parent.rglob("*.py")) for path in PACKAGE.glob("*/__init__.py")}
    below = nearest(
        {name: {r for path in files for r in imported(path) if r in rooms} for name, files in rooms.items()}
    )
    names = sorted(rooms)
    cards = [_card(name, rooms[name]) for name in names]
    return sheet(
        [("caffe2py", drawn(cards, [(names.index(b), names.index(a)) for a in names for b in sorted(below[a])]))]
    )


def imported(path: Path) -> Iterator[str]:
    """The rooms other than its own that a file of the package imports from."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            top, *inner = node.module.split(".")
            if top == PACKAGE.name and inner and inner[0] != path.relative_to(PACKAGE).parts[0]:
                yield inner[0]


def nearest(below: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Of what each imports, all but what another that it imports stands on."""

    def reached(name: str) -> set[str]:
        return below[name].union(*map(reached, below[name]))

    return {name: own - set().union(*map(reached, own)) for name, own in below.items()}


def _card(name: str, files: list[Path]) -> Card:
    said = ast.get_docstring(ast.parse((PACKAGE / name / "__init__.py").read_text(encoding="utf-8"))) or ""
    return Card((Line(f"{name}/", "name"), Line(f"{len(files)} files")), said.partition("\n")[0], "box")
