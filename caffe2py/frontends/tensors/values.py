"""The values of a tensor as they stand in a file: nothing is believed of its shape before the bytes are there."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

MOST_AXES = 32  # Caffe's own limit


def viewed(data: memoryview, dtype: np.dtype, shape: Sequence[int]) -> np.ndarray:
    """A view on the bytes of a tensor. Raises `ValueError` where they are not as many as its shape wants."""
    wanted = math.prod(shape) * dtype.itemsize
    if len(shape) > MOST_AXES or min(shape, default=0) < 0 or len(data) != wanted:
        raise ValueError(f"shape {tuple(shape)} wants {wanted} bytes, {len(data)} are there")
    return np.frombuffer(data, dtype).reshape(shape)


def widened(halves: np.ndarray) -> np.ndarray:
    """bfloat16, given as whole numbers of 16 bits, as float32."""
    return (halves.astype(np.uint32) << 16).view(np.float32)
