"""Where the recorded truth lies, looked for in three folders:

1. the one that CAFFE2PY_REFERENCE names: for each folder in it, it alone counts;
2. tests/reference, what travels with the project;
3. ../shared/reference beside the repository, for what does not travel.
"""

from __future__ import annotations

import atexit
import os
import tempfile
from functools import cache
from pathlib import Path

from tests.helpers.absent import absent
from tools.make_reference import SUFFIX, unpack

TESTS = Path(__file__).resolve().parents[1]
OWN = TESTS / "reference"
BESIDE = TESTS.parents[1] / "shared" / "reference"


def found(pattern: str) -> list[Path]:
    """What a pattern finds in the first of the three that has any of it, by name; packed files come unpacked."""
    for folder in _folders(pattern.partition("/")[0]):
        packed = {p.with_suffix(""): p for p in folder.glob(pattern + SUFFIX)}
        if paths := sorted({*folder.glob(pattern), *packed}):
            return [_unpacked(packed[p], folder) if p in packed else p for p in paths]
    return []


def reference(name: str) -> Path:
    """One file or folder; the test that asks for it is skipped where nobody has it."""
    for path in found(name):
        return path
    absent(f"{name}, in none of {', '.join(map(str, _folders(name.partition('/')[0])))}")


def _folders(top: str) -> list[Path]:
    asked = os.environ.get("CAFFE2PY_REFERENCE")
    if asked and (Path(asked) / top).exists():
        return [Path(asked)]
    return [OWN, BESIDE]


@cache
def _unpacked(packed: Path, folder: Path) -> Path:
    path = (room() / packed.relative_to(folder)).with_suffix("")
    unpack(packed, path)
    return path


@cache
def room() -> Path:
    """A folder of this process for what is unpacked and made again, gone when it ends."""
    folder = tempfile.TemporaryDirectory(prefix="caffe2py-reference-")
    atexit.register(folder.cleanup)
    return Path(folder.name)
