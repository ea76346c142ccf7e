"""Results as people read them: text, Markdown, CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from caffe2py.evaluate.evaluation import Evaluation
from caffe2py.evaluate.published import Row, Table
from caffe2py.evaluate.releases.registry import Pair
from caffe2py.graph.columns import aligned

SHOWN = 20  # unreadable images that are named in a text; files name all
HEADER = ("model", "published", "measured", "difference", "images", "others measured")
NUMBERS = (1, 2, 3, 4)


def evaluation_text(result: Evaluation) -> str:
    """The error rates, and everything that decides them."""
    how = result.settings["preprocessing"]
    bad, order = result.failed, result.settings["class_order"]
    size = "" if how["resize"] == "none" else f" {' x '.join(map(str, dict.fromkeys(how['size'])))}"
    mean = ", ".join(f"{m:g}" for m in how["mean"])
    lines = [
        f"{result.model}: {result.top1.total:,} images, {result.param_count / 1e6:.2f} million parameters",
        f"  top-1 error    {result.top1}",
        f"  top-5 error    {result.top5}",
        f"  preprocessing  {how['resize']}{size}, crop {how['crop'][0]} x {how['crop'][1]}, {how['channels']}, "
        f"mean {mean} ({how['mean_source']}), scale {how['scale']:g}",
        f"  classes        {f'{order} order' if order else 'as the labels count'}; labels {result.settings['labels']}",
        f"  run            {result.settings['backend']} {result.settings['precision']}, {_rate(result)}",
    ]
    if bad:
        lines.append(f"  unreadable     {len(bad)}, counted as wrong:")
        lines += [f"    {p.error}" for p in bad[:SHOWN]]
        lines += [f"    and {len(bad) - SHOWN} more"] if len(bad) > SHOWN else []
    return "\n".join([*lines, *(f"  note: {note}" for note in result.notes)])


def _rate(result: Evaluation) -> str:
    before = result.top1.total - result.measured
    resumed = f" ({before:,} done before)" if before else ""
    return f"{result.measured / result.seconds:.1f} images/s{resumed}" if result.measured else "all done before"


def table_text(table: Table, width: int | None = None) -> str:
    """The table in columns, cut to a width where one is given, its notes below."""
    lines = aligned([HEADER, *(_cells(row) for row in table.rows)], NUMBERS, width)
    return "\n".join([*lines, *_notes(table, "")])


def table_markdown(table: Table) -> str:
    """The table as Markdown, its notes as a list."""
    rows = [HEADER, ("---",) * len(HEADER), *(_cells(row) for row in table.rows)]
    lines = ["| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in rows]
    return "\n".join([*lines, *_notes(table, "- ")])


def table_csv(table: Table) -> str:
    """The table as CSV: a number a column, errors in per cent."""
    others = sorted({who for row in table.rows for who in row.release.others or {}})
    both = ("published", "measured", "difference", *others)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", *(f"{who} top{k}" for who in both for k in (1, 5)), "images", "file", "notes"])
    for row in table.rows:
        pairs: list[Pair | None] = [row.release.published, row.measured, row.difference]
        pairs += [(row.release.others or {}).get(who) for who in others]
        numbers = [f"{x:.3f}" if pair else "" for pair in pairs for x in (pair or (0.0, 0.0))]
        images = row.result.top1.total if row.result else ""
        writer.writerow([row.release.name, *numbers, images, row.file or "", "; ".join(row.notes)])
    return text.getvalue().rstrip("\n")


def _cells(row: Row) -> Sequence[str]:
    others = ", ".join(f"{who} {_pair(pair)}" for who, pair in (row.release.others or {}).items())
    images = f"{row.result.top1.total:,}" if row.result else ""
    measured = _pair(row.measured) if row.measured else "missing"
    return row.release.name, _pair(row.release.published), measured, _pair(row.difference, "+"), images, others


def _pair(pair: Pair | None, sign: str = "") -> str:
    return f"{pair[0]:{sign}.2f} / {pair[1]:{sign}.2f}" if pair else ""


def _notes(table: Table, mark: str) -> list[str]:
    notes = [f"{mark}{row.release.name}: {note}" for row in table.rows for note in row.notes]
    return ["", "Top-1 / top-5 error in per cent; differences in points.", *([""] if mark else []), *notes]
