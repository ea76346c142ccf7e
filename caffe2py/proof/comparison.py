"""One walk over a net: every value against what was recorded of it, with its errors and what rounding explains."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import repeat
from typing import Any

import numpy as np

from caffe2py.graph import Node, Value
from caffe2py.layers.base import Shape
from caffe2py.proof.dumps.binding import Binding
from caffe2py.proof.dumps.sample import Sample, Top
from caffe2py.proof.measures.gains import Gains, shaken
from caffe2py.proof.measures.histogram import histogram
from caffe2py.proof.measures.measure import (
    Bars,
    error,
    largest_difference,
    scale_of,
    shape_of,
    shapes_differ,
    silent,
    statistics_error,
    terms,
)
from caffe2py.proof.measures.plain_run import PlainRun
from caffe2py.proof.measures.plain_sums import lost, plain, sums
from caffe2py.proof.models.model import Arrays, Model
from caffe2py.proof.reports.findings import ABSENT, FAULT, FOLLOWS, OK, SILENT, LayerReport

Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]
WAYS = 4  # runs in which each long sum loses what it loses in one direction or the other
DRAWN = "drawn at random: no two runs agree"
BEHIND = "behind what is drawn at random, and its layer cannot be fed with the reference's inputs"


@dataclass
class Comparison:
    """One walk over the net, with several runs side by side: drift and local, in float32 and float64.

    `shaking` measures how far drift is magnified, and what long sums can lose that go one way or the other, by more
    runs: bars can only rise by it, and so it is for nets whose drift is over the bar without.
    """

    model: Model
    recorded: Binding
    bars: Bars
    shaking: bool = False
    shapes: dict[Value, Shape] = field(default_factory=dict)  # of our own values
    misshapen: set[Value] = field(default_factory=set)  # recorded with another shape than ours
    tainted: set[Value] = field(default_factory=set)  # what a fault has reached, in the run from the inputs on
    random: set[Value] = field(default_factory=set)  # what random numbers have reached, in that run
    gains: Gains = field(default_factory=Gains)

    @cached_property
    def plain(self) -> PlainRun:
        return PlainRun(self.model.yardstick)

    @cached_property
    def plains(self) -> list[PlainRun]:
        """The runs that tell what long sums lose; none in a net without any."""
        if not self.plain.readers:
            return []
        return [self.plain, *(PlainRun(self.model.yardstick, seed) for seed in range(WAYS if self.shaking else 0))]

    def rows(self, progress: Progress | None) -> list[LayerReport]:
        inputs = self.recorded.inputs
        yardstick = self.model.yardstick
        runs: list[Iterator[tuple[Node, Arrays]] | Iterator[None]] = [
            self.model.steps(inputs),
            yardstick.steps(inputs, exact=True),
            repeat(None) if yardstick is self.model else yardstick.steps(inputs),
        ]
        if self.fed:
            runs += [self.model.steps(inputs, self), yardstick.steps(inputs, self, exact=True)]
        else:
            runs += [repeat(None), repeat(None)]
        looping = slice(len(runs), len(runs) + len(self.plains))
        runs += [made.steps(inputs) for made in self.plains]
        if self.shaking:
            runs += [yardstick.steps(i, exact=True) for i in shaken(inputs)]
        steps: Iterable[Any] = zip(*runs, strict=False)
        total = len(self.model.graph.nodes)
        what = "measuring gains" if self.shaking else "verifying"
        found = []
        for index, step in enumerate(progress(steps, what, total) if progress else steps):
            node = step[0][0]
            for i, value in enumerate(node.tops):
                plains = [run[1][i] for run in step[looping]]
                ours = _Ours(plains, *(run and run[1][i] for run in step[: looping.start]))
                self.gains.add(node, value, ours.exact_drift, [run[1][i] for run in step[looping.stop :]])
                row = self.row(index, node, value, ours)
                if row is not None:
                    found.append(row)
        return found

    @property
    def fed(self) -> bool:
        """Is anything but the inputs recorded whole, for the layers to be fed with?"""
        return self.model.feeds and self.feedable

    @cached_property
    def feedable(self) -> bool:
        """Is anything but the inputs recorded whole?"""
        return any(v.blob not in self.recorded.inputs or v.version > 1 for v in self.recorded.whole)

    def get(self, value: Value) -> np.ndarray | None:
        """The reference's value to feed a layer with; None where ours must do."""
        if value not in self.recorded.whole or value in self.misshapen or value not in self.recorded.values:
            return None
        top = self.recorded.read(value)
        assert isinstance(top, np.ndarray)
        return top if tuple(top.shape) == self.shapes.get(value) else None

    def row(self, index: int, node: Node, value: Value, ours: _Ours) -> LayerReport | None:
        """What is to be told of one value; None where there is nothing to tell."""
        self.taint(node, value)
        if ours.drift is not None:
            self.shapes[value] = tuple(ours.drift.shape)
        reference = self.recorded.read(value)
        hidden = ours.drift is None  # the model does not show it
        if node.layer.is_input or hidden or (node.layer.idle and reference is None):
            return None
        row = LayerReport(index, node.name, node.type, str(value), self.shapes.get(value), ABSENT)
        if reference is None or ours.drift is None:
            return row
        span = tuple(n.name for n in self.spans[value])
        row = self.measured(replace(row, span=span), node, value, reference, ours)
        if row.verdict == FAULT:
            if tuple(ours.drift.shape) != shape_of(reference):
                self.misshapen.add(value)
            if row.local is None and value in self.tainted:
                row = replace(row, verdict=FOLLOWS)
            self.tainted.add(value)
        return row

    @cached_property
    def spans(self) -> Mapping[Value, tuple[Node, ...]]:
        """The layers from the last values that can be compared to each value: its own alone, if all before it can."""
        shown = {v for node in self.model.graph.nodes for v in node.tops}
        found: dict[Value, tuple[Node, ...]] = {}
        for node in self.model.source.nodes:
            hidden = [v for v in node.bottoms if v not in shown or v not in self.recorded.values]
            before = {n.key: n for v in hidden for n in found[v] if not n.layer.is_input}
            found.update(dict.fromkeys(node.tops, (*before.values(), node)))
        return found

    def taint(self, node: Node, value: Value) -> None:
        if any(v in self.tainted for v in node.bottoms):
            self.tainted.add(value)
        if self.draws(node) or any(v in self.random for v in node.bottoms):
            self.random.add(value)

    def draws(self, node: Node) -> bool:
        return node.layer.draws(self.model.graph.phase)

    def measured(self, row: LayerReport, node: Node, value: Value, reference: Top, ours: _Ours) -> LayerReport:
        assert ours.drift is not None
        scale = scale_of(reference)
        n = terms(self.model.graph, node)
        rounding, shortfall = ours.drift_rounding(scale), ours.drift_lost(scale)
        if value not in self.random:
            drift_bar = self.gains.bar(node, value, self.bars.bar(rounding, n), self.bars.bar(rounding, n, shortfall))
            row = replace(
                row,
                drift=error(ours.drift, reference, scale),
                statistics=statistics_error(ours.drift, reference, scale),
                exact_drift=None if ours.exact_drift is None else error(ours.exact_drift, reference, scale),
                rounding=rounding,
                lost=shortfall,
                drift_bar=drift_bar,
            )
        drawn = any(map(self.draws, self.spans[value]))
        if ours.local is not None and not isinstance(reference, Sample) and not drawn:
            rounding, shortfall = ours.local_rounding(scale), self.local_lost(node, value, scale, shortfall)
            row = replace(
                row,
                local=error(ours.local, reference, scale),
                exact_local=None if ours.exact_local is None else error(ours.exact_local, reference, scale),
                rounding=rounding,
                lost=shortfall,
                local_bar=self.bars.bar(rounding, n, shortfall),
            )
        if tuple(ours.drift.shape) != shape_of(reference):
            return replace(row, verdict=FAULT, note=shapes_differ(tuple(ours.drift.shape), reference))
        why = silent(node.type, reference)
        if why:
            return replace(row, verdict=SILENT, note=f"the reference is {why}")
        if row.error is None or row.bar is None:
            return replace(row, verdict=SILENT, note=DRAWN if drawn else BEHIND)
        counted = histogram(ours.drift if row.local is None else ours.local, reference, scale)
        rounds = row.error > self.bars.bar(rounding, n) and self.rounds(node, value, reference)
        return replace(row, verdict=FAULT if row.error > row.bar else OK, histogram=counted, rounds=rounds)

    def reads(self, node: Node) -> list[np.ndarray] | None:
        """What a layer with long sums reads, the reference's values where they are known; None for other layers."""
        if not sums(node, self.model.graph.phase):
            return None
        known = [self.get(v) for v in node.bottoms]
        return [ours if known is None else known for known, ours in zip(known, self.plain.last, strict=True)]

    def local_lost(self, node: Node, value: Value, scale: float, drift: float) -> float:
        """What a plain loop loses at a layer that is fed as `local` is; as in `drift` over layers that are hidden."""
        if len(self.spans[value]) > 1:
            return drift
        bottoms = self.reads(node)
        if bottoms is None:
            return 0.0
        found = lost(node, bottoms)[node.tops.index(value)]
        return float(np.abs(found).max(initial=0.0)) / scale if scale else 0.0

    def rounds(self, node: Node, value: Value, reference: Top) -> bool:
        """Does a plain float32 loop make the reference to the bit?"""
        bottoms = self.reads(node)
        if bottoms is None or isinstance(reference, Sample):
            return False
        return np.array_equal(plain(node, bottoms)[node.tops.index(value)], reference)

    def notes(self) -> Iterator[str]:
        if not self.feedable:
            yield "the dump is sampled: no layer can be fed with the reference's inputs, and the errors are drift alone"


@dataclass(frozen=True)
class _Ours:
    """One value of ours, from the runs that were made."""

    plains: Sequence[np.ndarray | None]  # the float32 runs whose long sums lose what plain loops do
    drift: np.ndarray | None
    exact_drift: np.ndarray | None
    yardstick: np.ndarray | None  # the float32 run that rounding is told by, where it is not `drift`
    local: np.ndarray | None
    exact_local: np.ndarray | None

    def drift_rounding(self, scale: float) -> float:
        return _rounding(self.drift if self.yardstick is None else self.yardstick, self.exact_drift, scale)

    def drift_lost(self, scale: float) -> float:
        return max((_rounding(run, self.exact_drift, scale) for run in self.plains), default=0.0)

    def local_rounding(self, scale: float) -> float:
        return _rounding(self.local, self.exact_local, scale)


def _rounding(single: np.ndarray | None, double: np.ndarray | None, scale: float) -> float:
    """How far our float32 run is from our float64 run; 0 where that cannot be told."""
    if single is None or double is None or not scale or single.shape != double.shape:
        return 0.0
    found = largest_difference(single, double) / scale
    return found if math.isfinite(found) else 0.0
