"""What Resample, Downsample and Accum share: images resized by a matrix for the rows and one for the columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from caffe2py.layers.base import Builder, Emitter, Handle


def filtered(em: Emitter, x: str, rows: Any, columns: Any) -> str:
    """The text of rows * x * columns^T, the two matrices being kept as buffers."""
    left = em.buffer("rows", rows.shape, lambda blobs: rows)
    right = em.buffer("columns", columns.T.shape, lambda blobs: columns.T.copy())
    return f"{left} @ {x} @ {right}"


def onnx_filtered(g: Builder, x: Handle, rows: Any, columns: Any) -> Handle:
    """The same in ONNX."""
    shape = (*x.shape[:2], rows.shape[0], columns.shape[0])
    wide = g.op("MatMul", x, g.constant(columns.T.copy(), "columns"), shape=(*x.shape[:3], columns.shape[0]))
    return g.op("MatMul", g.constant(rows, "rows"), wide, shape=shape)


def weights(places: Sequence[float], size: int, reach: float, kernel: Any) -> Any:
    """A row for each place: kernel(|place - i|) for each i of `size`, `reach` from the place rounded at most."""
    import numpy as np  # here, so that a net can be shown without it

    at = np.array(places)[:, None]
    i = np.arange(size)[None]
    near = np.abs(i - np.trunc(at + np.copysign(0.5, at))) <= reach
    return np.where(near, kernel(np.abs(at - i)), 0.0)


def normalized(matrix: Any) -> Any:
    """Rows that add up to 1; rows of zeros stay."""
    import numpy as np

    total = matrix.sum(1, keepdims=True)
    return (matrix / np.where(total == 0, 1, total)).astype(np.float32)


def triangle(x: Any) -> Any:
    """1 - |x|, and 0 from 1 on."""
    import numpy as np

    return np.maximum(1 - x, 0)


def cubic(x: Any) -> Any:
    """Keys' kernel with a = -0.5."""
    import numpy as np

    near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def radius(width: float, scale: float, antialias: bool) -> int:
    """How far a kernel reaches in the image that is read: `width`, or what covers it where it is stretched."""
    return 2 if scale < 1 else math.ceil(width * (scale if antialias else 1.0))
