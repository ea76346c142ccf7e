"""A report as one HTML page: the verdict, where errors arise, the worst values, and the net in their colours."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice

from caffe2py.picture.cards import Shade, shapes_text
from caffe2py.picture.page import Picture, picture, render, written
from caffe2py.proof.reports.findings import FAULT, FOLLOWS, OK, Findings, LayerReport, number
from caffe2py.proof.reports.plots import depth_plot, difference_plot, histogram_plot

WORST = 10  # rows of the first table
HISTOGRAMS = 10  # values that are shown with their histograms
COLOURS = (  # the largest error in units of the bar, the class of the style sheet, what the legend says
    (0.1, "e0", "below a tenth of the bar"),
    (1.0, "e1", "within the bar"),
    (10.0, "e2", "up to 10 times the bar"),
    (100.0, "e3", "up to 100 times"),
    (10_000.0, "e4", "up to 10,000 times"),
    (float("inf"), "e5", "more"),
)
FOLLOWING, NOTHING = ("follows", "follows a fault"), ("none", "nothing to compare, or it says nothing")


@dataclass(frozen=True)
class Line:
    """A row of a table: a value's report with its position in the net, and its texts."""

    index: int
    row: LayerReport
    shape: str
    local: str
    drift: str
    bar: str
    times: str


@dataclass(frozen=True)
class Histograms:
    """The plots of one value, as SVG text."""

    line: Line
    values: str
    differences: str


def html_report(report: Findings, path: str | os.PathLike[str] | None = None) -> str:
    """The report as the text of one HTML page, also as a file; nothing in it comes from outside.

    Raises `CaffeError` where pygraphviz or jinja2 (extra `report`) is not installed.
    """
    lines = [_line(i, row) for i, row in enumerate(report.layers)]
    ranked = sorted(lines, key=lambda line: -line.row.excess)
    first = next((line for line in lines if line.row is report.first_offender), None)
    chosen = [*([first] if first else []), *(line for line in ranked if line is not first)]
    said = render(
        "report.html",
        ["caffe2py.proof.reports"],
        report=report,
        lines=lines,
        worst=[line for line in ranked if line.row.excess >= 0][:WORST],
        first=first,
        plot=depth_plot(report.layers, report.first_offender),
        kinds={
            "local": any(row.local is not None for row in report.layers),
            "drift": any(row.drift is not None for row in report.layers),
            "alone": any(row.local is None and row.drift is not None for row in report.layers),
        },
        histograms=list(islice(filter(None, map(_histograms, chosen)), HISTOGRAMS)),
        picture=_picture(report),
        legend=[*((style, said) for _, style, said in COLOURS), FOLLOWING, NOTHING],
    )
    return written(said, path)


def _line(index: int, row: LayerReport) -> Line:
    times = "" if row.excess < 0 else f"{row.excess:.2g}"
    return Line(index, row, shapes_text([row.shape]), number(row.local), number(row.drift), number(row.bar), times)


def _histograms(line: Line) -> Histograms | None:
    counts = line.row.histogram
    return None if counts is None else Histograms(line, histogram_plot(counts), difference_plot(counts, line.row.bar))


def _picture(report: Findings) -> Picture | None:
    if report.graph is None:
        return None
    shades: dict[int, Shade] = {}
    for row in report.layers:
        shade = _shade(row)
        if row.index not in shades or shades[row.index].rank < shade.rank:
            shades[row.index] = shade
    return picture(report.graph, shades)


def _shade(row: LayerReport) -> Shade:
    """The colour of a row: by its error in units of its bar; a fault counts more than all others."""
    said = f"{row.value}: {row.verdict}"
    if row.error is not None:
        said += f", {'drift' if row.local is None else 'local'} error {number(row.error)}, bar {number(row.bar)}"
    if row.verdict == FOLLOWS:
        return Shade(FOLLOWING[0], said, 1.0)  # an ok row's error is at most its bar
    if row.verdict not in (OK, FAULT):
        return Shade(NOTHING[0], said, -1.0)
    style = next(style for most, style, _ in COLOURS if row.excess <= most)
    return Shade(style, said, 1.0 + row.excess, fault=True) if row.verdict == FAULT else Shade(style, said, row.excess)
