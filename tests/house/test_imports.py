"""The order of the rooms: imports go downward only, and `import caffe2py` stays light. See docs/architecture.md."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "caffe2py"
FILES = sorted(PACKAGE.rglob("*.py"))

# Each room may import from itself and from the rooms before it; rooms on one line know nothing of each other.
ORDER = [
    ["errors", "version"],
    ["arguments"],
    ["proto"],
    ["layers"],
    ["graph"],
    ["passes", "structure", "frontends"],
    ["picture", "backends"],
    ["proof", "runtime"],
    ["evaluate", "pycaffe"],
    ["archive"],
    ["cli"],
]
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}
LIGHT = {
    "errors",
    "arguments",
    "proto",
    "layers",
    "graph",
    "passes",
    "structure",
    "picture",
}  # these import neither torch nor onnx, anywhere
FRONT = {"__init__", "__main__"}  # the package's own face, which may import every room
LINES = 400
ALONE = "tools/record_caffe_activations.py"  # one file to copy to wherever a Caffe still runs


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def dotted(path: Path) -> str:
    """A file's name as it is imported; a package's file has the package's."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {dotted(path): path for path in FILES}


def imported(path: Path) -> list[tuple[int, str]]:
    """Line and dotted name of everything that a file imports; relative names are made absolute."""
    package = path.relative_to(ROOT).parent.parts
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            parts = [*base, *(node.module or "").split(".")]
            found += [(node.lineno, ".".join([p for p in parts if p] + [alias.name])) for alias in node.names]
    return found


def files(path: Path) -> set[Path]:
    """The files of ours that a file imports: modules, and packages where a name is taken from their face."""
    found = set()
    for _, word in imported(path):
        while word not in MODULES and "." in word:
            word = word.rpartition(".")[0]
        if word in MODULES and word != "caffe2py":
            found.add(MODULES[word])
    return found - {path}


IMPORTS = {path: files(path) for path in FILES}


def faults(path: Path) -> list[str]:
    here, found = room(path), []
    for line, module in imported(path):
        top, _, rest = module.partition(".")
        there = rest.split(".")[0]
        if top == "caffe2py" and there != here and RANK.get(there, len(ORDER)) >= RANK[here]:
            found.append(f"{name(path)}:{line}: {here} may not import {module}")
        if top in {"torch", "onnx"} and here in LIGHT:
            found.append(f"{name(path)}:{line}: {here} may import neither torch nor onnx")
    return found


@pytest.mark.parametrize("path", [p for p in FILES if room(p) not in FRONT], ids=name)
def test_a_room_imports_only_rooms_before_it(path: Path) -> None:
    assert room(path) in RANK, f"{name(path)} stands in no room of ORDER"
    assert faults(path) == []


def circle(imports: Mapping[Hashable, Iterable[Hashable]]) -> list[Hashable]:
    """A way that leads back to where it began, empty where there is none."""
    done: set[Hashable] = set()

    def walk(here: Hashable, way: list[Hashable]) -> list[Hashable]:
        if here in way:
            return [*way[way.index(here) :], here]
        if here not in done:
            for there in imports.get(here, ()):
                if found := walk(there, [*way, here]):
                    return found
            done.add(here)
        return []

    return next((found for start in imports if (found := walk(start, []))), [])


def test_no_circle_between_files() -> None:
    """Imports inside functions, and those for types alone, count as well."""
    way = circle({name(p): sorted(map(name, imports)) for p, imports in IMPORTS.items()})
    assert not way, " -> ".join(map(str, way))


def test_no_circle_between_the_sub_rooms_of_a_room() -> None:
    """Where a room has sub-rooms, they stand above or below each other; the files beside them may use them all."""
    arrows: dict[Hashable, set[Hashable]] = {}
    for path, imports in IMPORTS.items():
        for other in imports:
            here, there = path.parent, other.parent
            if room(path) == room(other) and here != there and PACKAGE / room(path) not in (here, there):
                arrows.setdefault(here, set()).add(there)
    way = circle(arrows)
    assert not way, " -> ".join(name(Path(str(p))) for p in way)


@pytest.mark.parametrize("module", ["caffe2py", "caffe2py.cli"])
def test_import_loads_neither_torch_nor_onnx(module: str) -> None:
    script = f"import sys, {module}; print(*sorted({{'torch', 'onnx'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


# A layer of each kind whose file has to do with numbers; one that nobody knows makes all files load.
SHOWN = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 8 dim: 6 dim: 6 } } }
layer { name: "i" type: "Input" top: "i" input_param { shape { dim: 1 } } }
layer { name: "f" type: "Flatten" bottom: "x" top: "f" }
layer { name: "s" type: "SoftmaxWithLoss" bottom: "f" bottom: "i" top: "s" }
layer { name: "c" type: "Crop" bottom: "x" bottom: "x" top: "c" crop_param { axis: 2 offset: 0 } }
layer { name: "u" type: "NobodyKnowsIt" bottom: "c" top: "u" }
"""


def test_show_loads_no_library_of_numbers(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(SHOWN)
    script = """
import sys
from caffe2py.cli import main
sys.argv = ["caffe2py", "show", "net.prototxt"]
try:
    main()
except SystemExit:
    pass
print(*sorted({"torch", "onnx", "numpy", "h5py"} & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert "NobodyKnowsIt" in done.stdout and done.stderr.split() == [], done


@pytest.mark.parametrize("folder", ["caffe2py", "tools", "tests"])
def test_a_file_is_a_page(folder: str) -> None:
    sizes = {name(path): len(path.read_text().splitlines()) for path in (ROOT / folder).rglob("*.py")}
    assert {path: lines for path, lines in sizes.items() if lines > LINES and path != ALONE} == {}
