"""The plots of a report as SVG text: error against depth, and histograms. Their colours are the page's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from caffe2py.picture.cards import clean, shortened
from caffe2py.proof.measures.histogram import DECADES, Histogram
from caffe2py.proof.reports.findings import ABSENT, FAULT, LayerReport, number

WIDTH, HEIGHT = 1100, 380
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 26, 42  # room for the ticks and their names
LOWEST = 1e-10  # errors below, and 0, are drawn at the lower edge


def depth_plot(layers: Sequence[LayerReport], first: LayerReport | None) -> str:
    """Errors in the order of the layers, on a logarithmic scale: local as dots, drift as a line, their bars as steps.

    A dot leads to the element `row-N`, N the position in `layers`. `first` is marked by name.
    """
    shown = [(i, row) for i, row in enumerate(layers) if row.verdict != ABSENT]
    numbers = [n for _, row in shown for n in (row.local, row.drift, row.local_bar, row.drift_bar) if n is not None]
    sizes = [math.log10(n) for n in numbers if LOWEST < n < math.inf]
    low, high = math.floor(min(sizes, default=-8)), math.ceil(max(sizes, default=0) + 0.2)
    plot = _Plot(WIDTH, HEIGHT, (0, max(len(layers) - 1, 1)), (low, high))
    root = plot.root("errors against depth")
    for decade in range(low, high + 1, max(1, math.ceil((high - low) / 10))):
        hidden = decade == low and any(n < 10.0**low for n in numbers)
        plot.level(root, decade, f"{'≤' if hidden else ''}1e{decade}")
    for i in _ticks(len(layers)):
        plot.mark(root, i, str(i))
    plot.caption(root, "values of the net, in the order Caffe makes them")
    plot.line(root, "drift-bar", [(i, row.drift_bar) for i, row in shown])
    plot.line(root, "local-bar", [(i, row.local_bar) for i, row in shown])
    plot.line(root, "drift", [(i, row.drift) for i, row in shown])
    if first is not None:
        plot.flag(root, next(i for i, row in shown if row is first), first.name)
    for i, row in shown:
        if row.error is not None:
            link = ET.SubElement(root, "a", href=f"#row-{i}")
            style = "fault" if row.verdict == FAULT else "local" if row.local is not None else "alone"
            where = {
                "cx": f"{plot.x(i):.1f}",
                "cy": f"{plot.y(row.error):.1f}",
                "r": "4" if style == "fault" else "2.2",
            }
            dot = ET.SubElement(link, "circle", {**where, "class": style})
            ET.SubElement(dot, "title").text = clean(f"{row.name} ({row.type}): {_said(row)}")
    return ET.tostring(root, encoding="unicode")


def histogram_plot(counts: Histogram) -> str:
    """The reference's values as an area, ours as a line, counts on a logarithmic scale."""
    plot = _Plot(520, 190, (counts.low, counts.high), _room([*counts.ours, *counts.reference]))
    root = plot.root("histogram of values")
    plot.counts(root)
    for value in (counts.low, (counts.low + counts.high) / 2, counts.high):
        plot.mark(root, value, f"{value:.3g}")
    plot.caption(root, "value")
    width = (counts.high - counts.low) / len(counts.ours)
    edges = [counts.low + width * i for i in range(len(counts.ours) + 1)]
    plot.steps(root, "reference", edges, counts.reference)
    plot.steps(root, "ours", edges, counts.ours)
    return ET.tostring(root, encoding="unicode")


def difference_plot(counts: Histogram, bar: float | None) -> str:
    """How many values are how far apart, by |ours - reference| / max|reference|, and the bar."""
    low, high = float(DECADES[0]), float(DECADES[-1])
    plot = _Plot(520, 190, (low, high), _room(counts.apart))
    root = plot.root("histogram of differences")
    plot.counts(root)
    for decade in range(math.ceil(low), math.floor(high) + 1, 2):
        plot.mark(root, decade, f"{'≤' if decade == low else ''}1e{decade}")
    plot.caption(root, "|ours - reference| / max|reference|")
    plot.steps(root, "apart", [float(d) for d in DECADES], counts.apart)
    if bar:
        plot.flag(root, min(max(math.log10(bar), low), high), "bar")
    return ET.tostring(root, encoding="unicode")


class _Plot:
    """A frame with a linear x axis and a y axis of powers of ten."""

    def __init__(self, width: int, height: int, across: tuple[float, float], up: tuple[float, float]) -> None:
        self.width, self.height, self.across, self.up = width, height, across, up

    def x(self, value: float) -> float:
        low, high = self.across
        return LEFT + (value - low) / (high - low) * (self.width - LEFT - RIGHT)

    def y(self, value: float) -> float:
        low, high = self.up
        power = low if value <= 0 else high if math.isinf(value) else min(max(math.log10(value), low), high)
        return self.height - BOTTOM - (power - low) / (high - low) * (self.height - TOP - BOTTOM)

    def root(self, label: str) -> ET.Element:
        box = f"0 0 {self.width} {self.height}"
        root = ET.Element("svg", {"viewBox": box, "class": "plot", "role": "img", "aria-label": label})
        ET.SubElement(
            root, "path", {"class": "axis", "d": f"M{LEFT},{TOP}V{self.height - BOTTOM}H{self.width - RIGHT}"}
        )
        return root

    def level(self, root: ET.Element, power: int, said: str) -> None:
        y = self.y(10.0**power)
        ET.SubElement(root, "path", {"class": "grid", "d": f"M{LEFT},{y:.1f}H{self.width - RIGHT}"})
        self._text(root, LEFT - 6, y + 4, said, "end")

    def counts(self, root: ET.Element) -> None:
        for power in range(int(self.up[1]) + 1):
            self.level(root, power, f"{10**power:,}" if power < 4 else f"1e{power}")

    def mark(self, root: ET.Element, value: float, said: str) -> None:
        x = self.x(value)
        ET.SubElement(root, "path", {"class": "axis", "d": f"M{x:.1f},{self.height - BOTTOM}v4"})
        self._text(root, x, self.height - BOTTOM + 17, said, "middle")

    def caption(self, root: ET.Element, said: str) -> None:
        self._text(root, (LEFT + self.width - RIGHT) / 2, self.height - 6, said, "middle")

    def flag(self, root: ET.Element, value: float, said: str) -> None:
        """A line upwards with a name, on the side where there is room."""
        x = self.x(value)
        ET.SubElement(root, "path", {"class": "flag", "d": f"M{x:.1f},{self.height - BOTTOM}V{TOP - 8}"})
        left = x > self.width / 2
        self._text(root, x - 5 if left else x + 5, TOP - 10, shortened(clean(said)), "end" if left else "start", "flag")

    def line(self, root: ET.Element, style: str, points: Sequence[tuple[int, float | None]]) -> None:
        """A line through points, broken where one is missing."""
        d, down = [], False
        for x, value in points:
            if value is not None:
                d.append(f"{'L' if down else 'M'}{self.x(x):.1f},{self.y(value):.1f}")
            down = value is not None
        if d:
            ET.SubElement(root, "path", {"class": style, "d": "".join(d)})

    def steps(self, root: ET.Element, style: str, edges: Sequence[float], counts: Sequence[int]) -> None:
        """Bars side by side as one outline."""
        base = self.height - BOTTOM
        tops = map(self.y, counts)
        d = "".join(f"L{self.x(edges[i]):.1f},{y:.1f}H{self.x(edges[i + 1]):.1f}" for i, y in enumerate(tops))
        ET.SubElement(root, "path", {"class": style, "d": f"M{self.x(edges[0]):.1f},{base}{d}V{base}"})

    def _text(self, root: ET.Element, x: float, y: float, said: str, anchor: str, style: str = "") -> None:
        where = {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor, **({"class": style} if style else {})}
        ET.SubElement(root, "text", where).text = said


def _room(counts: Sequence[int]) -> tuple[float, float]:
    """The powers of ten that an axis of counts spans: 1 stands well above the bottom, which is none."""
    return -0.3, math.log10(max(*counts, 10)) + 0.1


def _ticks(n: int) -> range:
    """About ten round positions."""
    step = next(s for power in range(9) for s in (10**power, 2 * 10**power, 5 * 10**power) if n <= 12 * s)
    return range(0, n, step)


def _said(row: LayerReport) -> str:
    parts = [
        f"{name} {number(value)}" for name, value in (("local", row.local), ("drift", row.drift)) if value is not None
    ]
    return ", ".join([*parts, f"bar {number(row.bar)}", row.verdict])
