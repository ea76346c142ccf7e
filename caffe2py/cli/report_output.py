"""How `verify` and `compare` tell what they found: a table, a verdict, files, and the exit status."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from caffe2py.cli.common import fail, json_option, note, print_json, say
from caffe2py.cli.files import Output
from caffe2py.errors import shown

if TYPE_CHECKING:
    from caffe2py.proof.reports.findings import LayerReport
    from caffe2py.proof.reports.report import Report

F = TypeVar("F", bound=Callable[..., Any])
WORST = 10  # rows that the table shows unless all are asked for
STYLES = {"ok": "green", "fault": "bold red", "follows a fault": "yellow", "says nothing": "dim", "not recorded": "dim"}


def report_options(function: F) -> F:
    """The options that say where a report goes; the command returns the report."""

    @click.option("--all", "everything", is_flag=True, help="Every value, in the order the layers run; else the worst.")
    @click.option("--html", type=Output(), metavar="OUT.html", help="Write the report as one HTML file.")
    @click.option("--markdown", type=Output(), metavar="OUT.md", help="Write the report as Markdown.")
    @json_option
    @wraps(function)
    def command(
        *args: Any, everything: bool, html: str | None, markdown: str | None, as_json: bool, **settings: Any
    ) -> None:
        if html:
            from caffe2py.picture.extras import PAGES, require

            require(PAGES)  # before the long work
        report: Report = function(*args, **settings)
        for line in report.notes:
            note(line)
        if html:
            report.to_html(html)
        if markdown:
            report.to_markdown(markdown)
        if as_json:
            print_json(report.to_dict())
        else:
            print_report(report, everything=everything)
        if not report.ok:
            fail()

    return command  # type: ignore[return-value]


def print_report(report: Report, *, everything: bool) -> None:
    """The table, worst first or all in order, and below it the verdict and the probable cause."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    wide = console.width if console.is_terminal else 140
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("layer", "type", "value", "shape"):
        table.add_column(head, overflow="fold")
    for head in ("local", "drift", "bar"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    rows = list(report.layers) if everything else report.ranked()[:WORST]
    first = report.first_offender
    if first is not None and first not in rows:
        rows.insert(0, first)
    for row in rows:
        table.add_row(*[Text(shown(cell)) for cell in _cells(row)], Text(row.verdict, STYLES[row.verdict]))
    Console(width=wide, highlight=False).print(table)
    if len(rows) < len(report.layers):
        say(f"... and {len(report.layers) - len(rows)} more values; --all shows them")
    say("")
    say(report.verdict, fg="green" if report.ok else "red", bold=True)
    if report.diagnosis is not None:
        say(f"probable cause: {report.diagnosis}")


def _cells(row: LayerReport) -> list[str]:
    from caffe2py.proof.reports.findings import number, shape_text

    return [
        row.name,
        row.type,
        row.value,
        shape_text(row),
        number(row.local),
        number(row.drift),
        number(row.bar),
    ]
