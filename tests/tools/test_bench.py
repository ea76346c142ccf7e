"""The tables of the benchmarks: pages hold what was kept, and a table is measured, kept and told whole."""

from __future__ import annotations

import json
import pkgutil
import sys
import types
from pathlib import Path

import pytest

from tools.bench import figures, tables


@pytest.mark.parametrize("page", tables.PAGES, ids=lambda page: page.name)
def test_a_page_holds_what_was_measured(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == tables.filled(text), "run: python -m tools.bench"


def test_every_mark_has_a_table() -> None:
    marked = {mark[2] for page in tables.PAGES for mark in tables.MARKS.finditer(page.read_text(encoding="utf-8"))}
    there = {module.name for module in pkgutil.iter_modules(figures.__path__)}
    assert marked == there == json.loads(tables.KEPT.read_text(encoding="utf-8")).keys()


def test_a_benchmark_ends_up_on_its_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = types.ModuleType("steps", "How long a step is.\n\nMore.")
    module.__dict__.update(HEADS=("who", "cm"), rows=lambda: iter([("a child", "40"), ("a grown-up", "70")]))
    monkeypatch.setitem(sys.modules, "tools.bench.figures.steps", module)
    monkeypatch.setattr(tables, "KEPT", tmp_path / "tables.json")
    tables.keep("steps", tables.measured("steps"))
    page = "before\n<!-- table: steps -->\nold\n<!-- end -->\nbehind <!-- table: other -->\n<!-- end -->\n"
    lines = tables.filled(page).splitlines()
    assert lines[:2] == ["before", "<!-- table: steps -->"] and lines[2].endswith(":") and tables.machine() in lines[2]
    assert lines[4:] == [
        *("| who | cm |", "|---|--:|", "| a child | 40 |", "| a grown-up | 70 |", "<!-- end -->"),
        *("behind <!-- table: other -->", "<!-- end -->"),
    ]
    assert tables.filled(tables.filled(page)) == tables.filled(page)
