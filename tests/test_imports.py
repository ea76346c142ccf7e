"""The order of the rooms: imports go downward only, and `import caffe2py` stays light. See docs/architecture.md."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "caffe2py"
FILES = sorted(PACKAGE.rglob("*.py"))

# Each room may import from itself and from the rooms before it; rooms on one line know nothing of each other.
ORDER = [
    ["errors"],
    ["proto"],
    ["layers"],
    ["graph"],
    ["passes", "picture"],
    ["backends"],
    ["proof"],
    ["evaluate", "pycaffe"],
    ["archive"],
    ["cli"],
]
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}
LIGHT = {"errors", "proto", "layers", "graph", "passes", "picture"}  # these import neither torch nor onnx, anywhere
FRONT = {"__init__", "__main__"}  # the package's own face, which may import every room
LINES = 400


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(source: str, package: tuple[str, ...]) -> list[tuple[int, str]]:
    """Line and dotted name of every import in a module of ``package``; relative ones are made absolute."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            parts = [*base, *(node.module or "").split(".")]
            found += [(node.lineno, ".".join([p for p in parts if p] + [alias.name])) for alias in node.names]
    return found


def faults(path: Path) -> list[str]:
    here, found = room(path), []
    for line, module in imported(path.read_text(), path.relative_to(ROOT).parent.parts):
        top, _, rest = module.partition(".")
        there = rest.split(".")[0]
        if top == "caffe2py" and there not in (here, "__version__") and RANK.get(there, len(ORDER)) >= RANK[here]:
            found.append(f"{name(path)}:{line}: {here} may not import {module}")
        if top in {"torch", "onnx"} and here in LIGHT:
            found.append(f"{name(path)}:{line}: {here} may import neither torch nor onnx")
    return found


@pytest.mark.parametrize("path", [p for p in FILES if room(p) not in FRONT], ids=name)
def test_a_room_imports_only_rooms_before_it(path: Path) -> None:
    assert room(path) in RANK, f"{name(path)} stands in no room of ORDER"
    assert faults(path) == []


@pytest.mark.parametrize("module", ["caffe2py", "caffe2py.cli"])
def test_import_loads_neither_torch_nor_onnx(module: str) -> None:
    script = f"import sys, {module}; print(*sorted({{'torch', 'onnx'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


@pytest.mark.parametrize("folder", ["caffe2py", "tools", "tests"])
def test_a_file_is_a_page(folder: str) -> None:
    sizes = {name(path): len(path.read_text().splitlines()) for path in (ROOT / folder).rglob("*.py")}
    assert {path: lines for path, lines in sizes.items() if lines > LINES} == {}
