"""How `verify` and `compare` tell what they found: a table, a verdict, files, and the exit status."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from caffe2py.cli.common import fail, json_option, line_width, note, print_json, say, wide_option, working
from caffe2py.cli.files import Output
from caffe2py.errors import shown
from caffe2py.graph.columns import GAP, aligned, cells
from caffe2py.proto.notes import NumberNote

if TYPE_CHECKING:
    from caffe2py.proof.reports.findings import LayerReport
    from caffe2py.proof.reports.report import Report

F = TypeVar("F", bound=Callable[..., Any])
WORST = 10  # rows that the table shows unless all are asked for
HEADS = ("layer", "type", "value", "shape", "local", "drift", "bar")
NUMBERS = (4, 5, 6)
SPARE = (1, 3)
STYLES: dict[str, dict[str, Any]] = {  # of verdicts, which say in words what the colour says
    "ok": {"fg": "green"},
    "fault": {"fg": "red", "bold": True},
    "follows a fault": {"fg": "yellow"},
    "says nothing": {"dim": True},
    "not recorded": {"dim": True},
}


def report_options(function: F) -> F:
    """The options that say where a report goes; the command returns the report."""

    @click.option("--all", "everything", is_flag=True, help="Every value, in the order the layers run; else the worst.")
    @click.option("--html", type=Output(), metavar="OUT.html", help="Write the report as one HTML file.")
    @click.option("--markdown", type=Output(), metavar="OUT.md", help="Write the report as Markdown.")
    @wide_option
    @json_option
    @wraps(function)
    def command(
        *args: Any, everything: bool, html: str | None, markdown: str | None, wide: bool, as_json: bool, **settings: Any
    ) -> None:
        if html:
            from caffe2py.picture.extras import PAGES, require

            require(PAGES)  # before the long work
        report: Report = function(*args, **settings)
        for line in report.notes:
            note(line, always=isinstance(line, NumberNote))
        if html:
            with working(f"writing {html}"):
                report.to_html(html)
        if markdown:
            report.to_markdown(markdown)
        if as_json:
            print_json(report.to_dict())
        else:
            print_report(report, everything=everything, wide=wide)
        if not report.ok:
            fail()

    return command  # type: ignore[return-value]


def print_report(report: Report, *, everything: bool, wide: bool = False) -> None:
    """The table, worst first or all in order, and below it the verdict and the probable cause."""
    rows = list(report.layers) if everything else report.ranked()[:WORST]
    first = report.first_offender
    if first is not None and first not in rows:
        rows.insert(0, first)
    width = line_width(wide)
    verdicts = max([len(row.verdict) for row in rows], default=0) + len(GAP)
    lines = aligned([HEADS, *map(_cells, rows)], NUMBERS, None if width is None else width - verdicts, SPARE)
    size = max(map(cells, lines))
    click.secho(lines[0], bold=True)
    for row, line in zip(rows, lines[1:], strict=True):
        click.echo(line + " " * (size - cells(line)) + GAP + click.style(row.verdict, **STYLES[row.verdict]))
    if len(rows) < len(report.layers):
        say(f"... and {len(report.layers) - len(rows)} more values; --all shows them")
    say("")
    say(report.verdict, fg="green" if report.ok else "red", bold=True)
    for line in report.remarks:
        say(line)


def _cells(row: LayerReport) -> tuple[str, ...]:
    from caffe2py.proof.reports.findings import number, shape_text

    names = map(shown, (row.name, row.type, row.value, shape_text(row)))
    return (*names, number(row.local), number(row.drift), number(row.bar))
