"""What a comparison found, as values: a row for each value, the verdict, and the first layer that is wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from caffe2py.errors import shown
from caffe2py.layers.base import Shape, text

if TYPE_CHECKING:
    from caffe2py.graph import Graph
    from caffe2py.proof.measures.histogram import Histogram

OK, FAULT, FOLLOWS, SILENT, ABSENT = "ok", "fault", "follows a fault", "says nothing", "not recorded"


@dataclass(frozen=True)
class LayerReport:
    """One value: a layer's top, as it stood right after the layer ran.

    Errors are max|ours - reference| / max|reference|: `local` the layer's own, fed with the reference's inputs,
    `drift` from the net's inputs on; None where it cannot be told. `exact_local` and `exact_drift` are the same of a
    float64 run of ours: where ours is right, that is the reference's own rounding. `rounding` is our float32 run
    against our float64 run, of the kind (local or drift) that `error` is, `lost` what plain float32 loops lose in long
    sums, of the same kind. The bars are what float32 explains (`measure.Bars`).
    """

    index: int  # of the layer, in the order Caffe runs them
    name: str
    type: str
    value: str  # blob and version: conv1, conv1#2
    shape: Shape | None
    verdict: str  # "ok", "fault", "follows a fault", "says nothing" or "not recorded"
    local: float | None = None
    drift: float | None = None
    exact_local: float | None = None
    exact_drift: float | None = None
    rounding: float | None = None
    lost: float | None = None
    local_bar: float | None = None
    drift_bar: float | None = None
    statistics: float | None = None  # of a sampled reference: the error of its mean, extremes and root mean square
    rounds: bool = False  # over what the ordinary bar explains, and a plain float32 loop makes it to the bit
    note: str = ""
    span: tuple[str, ...] = ()  # the layers that `local` runs over, where those between are not recorded
    histogram: Histogram | None = field(default=None, repr=False)  # of the values that `error` is of

    @property
    def error(self) -> float | None:
        """The error that decides: local where it is known, else drift, or that of the statistics where it is larger."""
        if self.local is not None or self.drift is None:
            return self.local
        return max(self.drift, self.statistics or 0.0)

    @property
    def bar(self) -> float | None:
        """The bar that `error` is held against."""
        return self.drift_bar if self.local is None else self.local_bar

    @property
    def excess(self) -> float:
        """error / bar: over 1 is more than rounding explains; -1 where the value says nothing."""
        if self.error is None or not self.bar or self.verdict in (SILENT, ABSENT):
            return -1.0
        return self.error / self.bar


@dataclass(frozen=True)
class Suspect:
    """A usual mistake, and what the layer's error would be with it."""

    cause: str  # "eps 0.001 instead of 1e-05"
    error: float


@dataclass(frozen=True)
class Diagnosis:
    """What is probably wrong with a layer: the suspects that were tried, the best one first."""

    layer: str
    error: float  # as it stands
    bar: float
    suspects: tuple[Suspect, ...] = ()

    @property
    def cause(self) -> str | None:
        """The mistake that explains the difference, None where none of the usual ones does."""
        return self.suspects[0].cause if self.suspects and self.suspects[0].error <= self.bar else None

    def __str__(self) -> str:
        if self.cause is not None:
            return f"{self.cause} explains it (error {self.error:.1e} -> {self.suspects[0].error:.1e})"
        return "none of the usual mistakes explains it" if self.suspects else "no usual mistake is known"


@dataclass(frozen=True, repr=False)
class Findings:
    """All that was found. Prints as a short verdict."""

    net: str
    model: str  # what was verified: "torch, exact", "net.pt"
    dump: str
    layers: tuple[LayerReport, ...]
    diagnosis: Diagnosis | None = None
    notes: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)  # file name -> sha256
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    graph: Graph | None = field(default=None, compare=False, repr=False)  # what ran; the rows' indices are of its nodes

    @property
    def ok(self) -> bool:
        """No value is further from the reference than rounding explains, and at least one says so."""
        return self.first_offender is None and any(row.verdict == OK for row in self.layers)

    @property
    def first_offender(self) -> LayerReport | None:
        """The first layer that is wrong, in the order Caffe runs them; None where none is."""
        return next((row for row in self.layers if row.verdict == FAULT), None)

    @property
    def worst(self) -> LayerReport | None:
        """The value whose error is the most times its bar; None where there is no value."""
        return max(self.layers, key=lambda row: row.excess, default=None)

    def ranked(self) -> list[LayerReport]:
        """The values with the worst first, by error over bar; those that say nothing last."""
        return sorted(self.layers, key=lambda row: -row.excess)

    def counts(self) -> dict[str, int]:
        """How many values have each verdict."""
        return {
            v: n for v in (OK, FAULT, FOLLOWS, SILENT, ABSENT) if (n := sum(row.verdict == v for row in self.layers))
        }

    @property
    def verdict(self) -> str:
        """The outcome in one sentence."""
        said = ", ".join(f"{n} {verdict}" for verdict, n in self.counts().items()) or "no value could be compared"
        if self.ok:
            worst = self.worst
            assert worst is not None
            return f"verified: {said}; the worst, {worst.name}, has error {worst.error:.1e}, its bar is {worst.bar:.1e}"
        first = self.first_offender
        if first is None:
            return f"not verified: {said}; nothing in the dump can acquit the net"
        return f'FAILED: {said}; the first is layer "{first.name}" ({first.type}): {fault_text(first)}'

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {shown(self.net)} ({shown(self.model)}): {shown(self.verdict)}>"

    @property
    def rounding(self) -> str:
        """Where the reference rounds more than the ordinary bar explains, and a plain loop tells why; else ""."""
        alike = [f"{row.name} ({row.type})" for row in self.layers if row.rounds]
        more = f" and {len(alike) - 4} more" if len(alike) > 4 else ""
        fact = "a plain float32 loop makes the reference to the bit: the reference rounds, the translation is right"
        return f"{', '.join(alike[:4])}{more}: {fact}" if alike else ""

    @property
    def remarks(self) -> list[str]:
        """What is to be said below the verdict: the probable cause, and where the reference rounds."""
        cause = f"probable cause: {self.diagnosis}" if self.diagnosis else ""
        return [said for said in (cause, self.rounding) if said]

    def __str__(self) -> str:
        return "\n".join([f"{self.net} ({self.model}) against {self.dump}", self.verdict, *self.remarks])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the histograms; an infinite error is the text "inf"."""
        first = self.first_offender
        made = {
            "format": "caffe2py-report/1",
            "ok": self.ok,
            "verdict": self.verdict,
            "net": self.net,
            "model": self.model,
            "dump": self.dump,
            "counts": self.counts(),
            "first_offender": None if first is None else first.name,
            "cause": None if self.diagnosis is None else self.diagnosis.cause,
            "worst": None if self.worst is None else self.worst.name,
            "diagnosis": None if self.diagnosis is None else asdict(self.diagnosis),
            "layers": [{k: v for k, v in asdict(row).items() if k != "histogram"} for row in self.layers],
            "notes": list(self.notes),
            "remarks": self.remarks,
            "files": dict(self.files),
            "versions": dict(self.versions),
            "seconds": round(self.seconds, 3),
        }
        found: dict[str, Any] = _plain(made)
        return found


def fault_text(row: LayerReport) -> str:
    """Why a row is a fault, in a few words."""
    if row.note:
        return row.note
    kind = "drift" if row.local is None else "local"
    over = f" over {len(row.span)} layers from {row.span[0]} on" if len(row.span) > 1 else ""
    return f"{kind} error {row.error:.1e}{over}, rounding explains {row.bar:.1e}"


def number(value: float | None) -> str:
    """An error as tables show it."""
    return "" if value is None else "inf" if math.isinf(value) else "0" if value == 0 else f"{value:.1e}"


def shape_text(row: LayerReport) -> str:
    return text(row.shape)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
