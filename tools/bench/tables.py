"""The tables of the benchmarks: measured, kept in tables.json, and put into the handbook's pages.

Each has the date, the kind of machine, and how much of it other work took meanwhile. A page has a table where its marks
stand, `<!-- table: NAME -->` and `<!-- end -->`; what is between them is made from tables.json.
"""

from __future__ import annotations

import datetime
import importlib
import json
import os
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tools.bench.measure import own_seconds

KEPT = Path(__file__).with_name("tables.json")
PAGES = sorted((Path(__file__).resolve().parents[2] / "docs").glob("*.md"))
MARKS = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Table:
    """What a benchmark found: `others` is how many cores other work kept busy meanwhile, where the system tells."""

    date: str
    machine: str
    others: float | None
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


def measured(name: str) -> Table:
    """Run a benchmark; each row is printed when it is there."""
    module = importlib.import_module(f"tools.bench.figures.{name}")
    print(f"\n{name}: {str(module.__doc__).splitlines()[0]}\n{_line(module.HEADS)}", flush=True)
    start, busy, own = time.monotonic(), _busy(), own_seconds()
    rows = []
    for row in module.rows():
        print(_line(row), flush=True)
        rows.append(list(row))
    spent, ended = time.monotonic() - start, _busy()
    others = None if busy is None or ended is None else round(max(ended - busy - (own_seconds() - own), 0) / spent, 1)
    return Table(datetime.date.today().isoformat(), machine(), others, list(module.HEADS), rows)


def keep(name: str, table: Table) -> None:
    """Put a table into tables.json, in the place of the one that was there."""
    tables = {**_kept(), name: asdict(table)}
    text = json.dumps(dict(sorted(tables.items())), indent=1, ensure_ascii=False)
    KEPT.write_text(f"{text}\n", encoding="utf-8")


def filled(page: str) -> str:
    """A page of the handbook with the tables that are kept between its marks."""
    kept = {name: markdown(Table(**fields)) for name, fields in _kept().items()}
    return MARKS.sub(lambda mark: f"{mark[1]}{kept.get(mark[2], '')}{mark[3]}", page)


def markdown(table: Table) -> str:
    """A table, and a line above it that tells when and where it was measured."""
    cores = f", other work took {table.others:g} of them" if table.others else ""
    lines = [
        f"{table.date}, {table.machine}{cores}:\n",
        f"| {' | '.join(table.heads)} |",
        f"|{'|'.join(['---', *('--:' for _ in table.heads[1:])])}|",
        *(f"| {' | '.join(row)} |" for row in table.rows),
    ]
    return "\n".join(lines) + "\n"


def machine() -> str:
    """What kind of machine this is: cores, processor, and the widest vectors that it has."""
    said = {}
    if (info := Path("/proc/cpuinfo")).exists():
        said = dict(re.findall(r"^(model name|flags)\s*: (.*)$", info.read_text(), re.MULTILINE))
    vectors = " with AVX-512" if "avx512f" in said.get("flags", "") else ""
    return f"{len(os.sched_getaffinity(0))} cores of {said.get('model name', os.uname().machine)}{vectors}"


def _kept() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    return found


def _line(cells: Sequence[str]) -> str:
    return f"  {cells[0]:<48}" + "".join(f" {cell:>18}" for cell in cells[1:])


def _busy() -> float | None:
    """Seconds that all processors together were at work since the machine started; None where the system is silent."""
    try:
        times = [int(word) for word in Path("/proc/stat").read_text().split()[1:8]]
    except OSError:
        return None
    return (sum(times) - sum(times[3:5])) / os.sysconf("SC_CLK_TCK")  # less idle, and waiting for disks
