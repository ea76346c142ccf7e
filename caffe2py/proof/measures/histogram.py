"""How the values of a blob lie, ours and the reference's, and how far apart they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from caffe2py.proof.dumps.sample import Sample, Top

BINS = 40
MOST = 65_536  # values of a blob that are counted: enough for a picture
DECADES = np.arange(-10.0, 1.5, 0.5)  # the edges of the bins of `apart`, as powers of ten


@dataclass(frozen=True)
class Histogram:
    """Counts of values in bins of equal width from `low` to `high`: ours and the reference's, at the same places.

    `apart` counts |ours - reference| / max|reference| in the bins between `DECADES`; what lies outside is in the first
    and the last one. Of large blobs evenly spread values are counted, of sampled ones those that were recorded.
    """

    low: float
    high: float
    ours: tuple[int, ...]
    reference: tuple[int, ...]
    apart: tuple[int, ...]


def histogram(ours: Top | None, reference: Top, scale: float) -> Histogram | None:
    """The histogram of one value; None where ours is not whole, shapes differ, or nothing finite is to be counted."""
    if not isinstance(ours, np.ndarray) or tuple(ours.shape) != tuple(reference.shape) or not ours.size:
        return None
    if isinstance(reference, Sample):
        a, b = ours.reshape(-1)[reference.index], reference.value
    else:
        places = np.linspace(0, ours.size - 1, min(ours.size, MOST)).astype(np.int64)
        a, b = ours.reshape(-1)[places], reference.reshape(-1)[places]
    finite = np.isfinite(a) & np.isfinite(b)
    a, b = a[finite].astype(np.float64), b[finite].astype(np.float64)
    if not a.size:
        return None
    low, high = float(min(a.min(), b.min())), float(max(a.max(), b.max()))
    high = high if high > low else low + 1.0
    far = np.abs(a - b) / (scale or 1.0)
    logs = np.clip(np.log10(np.maximum(far, 1e-300)), DECADES[0], DECADES[-1])
    decades = _counts(logs, len(DECADES) - 1, DECADES[0], DECADES[-1])
    return Histogram(low, high, _counts(a, BINS, low, high), _counts(b, BINS, low, high), decades)


def _counts(values: np.ndarray, bins: int, low: float, high: float) -> tuple[int, ...]:
    """How many values lie in each of some bins of equal width, which `high` is still in."""
    places = ((values - low) * (bins / (high - low))).astype(np.int64)
    return tuple(np.bincount(np.minimum(places, bins - 1), minlength=bins).tolist())
