"""The tests' own house: what they share stands in helpers, and what they skip is absent."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
FILES = sorted(TESTS.rglob("*.py"))
SKIPS = {"skip", "skipif", "importorskip"}


def name(path: Path) -> str:
    return path.relative_to(TESTS).as_posix()


@pytest.mark.parametrize("path", FILES, ids=name)
def test_shared_things_stand_in_helpers(path: Path) -> None:
    modules = [n.module or "" for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom)]
    assert [m for m in modules if m.startswith("tests.") and not m.startswith("tests.helpers")] == []


@pytest.mark.parametrize("path", [p for p in FILES if p.name != "absent.py"], ids=name)
def test_the_one_way_to_skip_is_to_say_what_is_absent(path: Path) -> None:
    called = [n.func for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
    assert [f.attr for f in called if isinstance(f, ast.Attribute) and f.attr in SKIPS] == []
