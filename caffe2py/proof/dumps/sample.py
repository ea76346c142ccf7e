"""A recorded value: whole, or a sample of it with statistics of all its numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from caffe2py.layers.base import Shape

STATISTICS = ("mean", "std", "min", "max", "l2")
PIECE = 1 << 15  # values


@dataclass(frozen=True)
class Sample:
    """Some values of a blob and statistics of all of them. `index` is flat, in C order."""

    shape: Shape
    index: np.ndarray
    value: np.ndarray
    mean: float
    std: float
    min: float
    max: float
    l2: float


Top = np.ndarray | Sample


def statistics_of(values: np.ndarray) -> dict[str, float]:
    """What a sample says of all values: mean, std, min, max and l2, in float64; zeros of an empty array.

    A piece at a time: what fits into a processor's cache is soon gone through.
    """
    flat = values.ravel()
    if not flat.size:
        return dict.fromkeys(STATISTICS, 0.0)
    pieces = np.array_split(flat, math.ceil(flat.size / PIECE))
    with np.errstate(invalid="ignore", over="ignore"):
        mean = sum(float(piece.sum(dtype=np.float64)) for piece in pieces) / flat.size
        apart = (np.subtract(piece, mean, dtype=np.float64) for piece in pieces)
        variance = sum(float(np.square(x, out=x).sum()) for x in apart) / flat.size
        l2 = math.sqrt(flat.size * (variance + mean * mean))
    said = (mean, math.sqrt(variance), float(flat.min()), float(flat.max()), l2)
    return dict(zip(STATISTICS, said, strict=True))
