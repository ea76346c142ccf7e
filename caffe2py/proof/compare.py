"""Two dumps side by side, without a net: where they part."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from caffe2py import arguments
from caffe2py.errors import CaffeError
from caffe2py.proof.dumps.reading import Dump, LayerDump, Stored, open_dump
from caffe2py.proof.dumps.sample import STATISTICS, Sample, Top
from caffe2py.proof.measures.histogram import histogram
from caffe2py.proof.measures.measure import largest_difference, scale_of, shape_of, shapes_differ, silent, whole_error
from caffe2py.proof.reports.findings import ABSENT, FAULT, OK, SILENT, LayerReport
from caffe2py.proof.reports.report import Report, file_hashes

BAR = 1e-5  # rounding alone parts two float32 runs by some 2e-6 over a few hundred layers

Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]
Key = tuple[str, int, int]  # layer, which of that name, top; or blob, 0, 0


@dataclass(frozen=True)
class Entry:
    """A value of a dump and what it is called."""

    name: str
    type: str
    value: str
    stored: Stored


def compare(
    a: str | os.PathLike[str], b: str | os.PathLike[str], *, bar: float = BAR, progress: Progress | None = None
) -> Report:
    """Compare dump `a` with dump `b`, value by value; errors are max|a - b| / max|b|, and `drift` all of them.

    Dumps of layers are matched by layer, arrays by their names. Of two samples the values that both took are compared,
    and the statistics. Raises `CaffeError` where the two have no value in common.
    """
    arguments.not_negative("bar", bar)
    with open_dump(a) as first, open_dump(b) as second:
        by_layer = isinstance(first, LayerDump) and isinstance(second, LayerDump)
        ours, theirs = _entries(first, by_layer), _entries(second, by_layer)
        if not set(ours) & set(theirs):
            raise CaffeError(f"has no value in common with {b}", os.fspath(a))
        pairs: Iterable[tuple[Key, Entry]] = theirs.items()
        shown = progress(pairs, "comparing", len(theirs)) if progress else pairs
        rows = [_row(i, entry, ours.get(key), bar) for i, (key, entry) in enumerate(shown)]
        alone = [key[0] for key in ours if key not in theirs]
        notes = [f"{len(alone)} values are in the first dump alone: {', '.join(alone[:4])}"] if alone else []
        net = second.net if isinstance(second, LayerDump) else ""
    return Report(
        net or Path(b).name, Path(a).name, Path(b).name, tuple(rows), notes=tuple(notes), files=file_hashes([a, b])
    )


def _entries(dump: Dump, by_layer: bool) -> dict[Key, Entry]:
    """The values of a dump: by layer, or by blob as it stands at the end."""
    if not isinstance(dump, LayerDump):
        return {(name, 0, 0): Entry(name, "", name, Stored(read)) for name, read in dump.arrays.items()}
    if not by_layer:
        return {
            (blob, 0, 0): Entry(record.name, record.type, blob, stored)
            for record in dump.records
            for blob, stored in zip(record.blobs, record.tops, strict=False)
        }
    seen: Counter[str] = Counter()
    found = {}
    for record in dump.records:
        for i, stored in enumerate(record.tops):
            value = record.blobs[i] if record.blobs else f"top {i}"
            found[record.name, seen[record.name], i] = Entry(record.name, record.type, value, stored)
        seen[record.name] += 1
    return found


def _row(index: int, entry: Entry, other: Entry | None, bar: float) -> LayerReport:
    reference = entry.stored.read()
    row = LayerReport(index, entry.name, entry.type, entry.value, shape_of(reference), ABSENT, drift_bar=bar)
    if other is None:
        return row
    ours = other.stored.read()
    if shape_of(ours) != shape_of(reference):
        return replace(row, verdict=FAULT, drift=math.inf, note=shapes_differ(shape_of(ours), reference))
    found = _error(ours, reference)
    why = silent(entry.type, reference)
    if why:
        return replace(row, verdict=SILENT, drift=found, note=f"the reference is {why}")
    counted = histogram(ours, reference, scale_of(reference))
    return replace(row, verdict=FAULT if found > bar else OK, drift=found, histogram=counted)


def _error(ours: Top, reference: Top) -> float:
    scale = scale_of(reference)
    if not isinstance(ours, Sample):
        return whole_error(ours, reference, scale)
    if not isinstance(reference, Sample):
        return whole_error(reference, ours, scale)
    both, here, there = np.intersect1d(ours.index, reference.index, return_indices=True)
    found = [largest_difference(ours.value[here], reference.value[there])] if both.size else []
    root = math.sqrt(math.prod(ours.shape)) or 1.0
    for key in STATISTICS:
        x, y = getattr(ours, key), getattr(reference, key)
        found.append(largest_difference(np.array(x), np.array(y)) / (root if key == "l2" else 1.0))
    return max(found) / scale if scale else (0.0 if not max(found) else math.inf)
