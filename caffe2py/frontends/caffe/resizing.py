"""Images resized along each axis by a matrix (out, in): what the values of an axis become."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from caffe2py.frontends.caffe.arithmetic import multiply
from caffe2py.frontends.caffe.draft import Blob, Draft
from caffe2py.frontends.caffe.moves import along, take
from caffe2py.frontends.caffe.windows import Window, deconvolve

CLOSE = 1e-6  # a factor of float32, computed in another order


def resize(n: Draft, x: Blob, matrices: Mapping[int, np.ndarray]) -> Blob:
    """x with each of these axes multiplied by its matrix.

    Repeated values are a Deconvolution with ones, a linear interpolation by a whole factor is one with Caffe's bilinear
    kernel, divided at the border by what is missing there. All else is a product with the matrix.
    """
    if len(x.shape) == 4 and set(matrices) <= {2, 3}:
        for kernel in (repeating, bilinear):
            found = [_deconvolution(matrices[a], kernel) if a in matrices else _as_it_is(x.shape[a]) for a in (2, 3)]
            if all(f is not None for f in found):
                return _deconvolved(n, x, [f for f in found if f is not None])
    for axis, matrix in matrices.items():
        if (matrix.max(1) == 1).all() and (np.abs(matrix).sum(1) == 1).all():
            x = take(n, x, axis, matrix.argmax(1).tolist())
        else:
            x = along(n, x, axis, np.ascontiguousarray(matrix, np.float32))
    return x


def repeating(factor: int) -> tuple[np.ndarray, int]:
    """The kernel that repeats each value, and its pad."""
    return np.ones(factor), 0


def bilinear(factor: int) -> tuple[np.ndarray, int]:
    """The kernel of Caffe's bilinear filler for a factor, and its pad. Source: BilinearFiller, filler.hpp."""
    size = 2 * factor - factor % 2
    centre = (2 * factor - 1 - factor % 2) / (2 * factor)
    return 1 - np.abs(np.arange(size) / factor - centre), -(-(factor - 1) // 2)


Taps = Callable[[int], tuple[np.ndarray, int]]  # the kernel of a factor, and its pad
Kernel = tuple[np.ndarray, int, int, np.ndarray]  # taps, pad, factor, what each place of the top is to be divided by


def _as_it_is(size: int) -> Kernel:
    return np.ones(1), 0, 1, np.ones(size)


def _deconvolution(matrix: np.ndarray, kernel: Taps) -> Kernel | None:
    """The transposed convolution of one axis that is this matrix, None where there is none."""
    out, size = matrix.shape
    factor, rest = divmod(out, size)
    if rest or factor < 1:
        return None
    taps, pad = kernel(factor)
    made = np.zeros((factor * (size - 1) + len(taps), size))
    for i in range(size):
        made[i * factor : i * factor + len(taps), i] = taps
    made = made[pad : pad + out]
    sums = made.sum(1)
    if np.abs(made / sums[:, None] - matrix).max() > CLOSE:
        return None
    return taps, pad, factor, sums


def _deconvolved(n: Draft, x: Blob, axes: list[Kernel]) -> Blob:
    channels = x.shape[1]
    (rows, pad_h, down, sums_h), (columns, pad_w, right, sums_w) = axes
    kernel = np.outer(rows, columns).astype(np.float32)
    weight = np.tile(kernel, (channels, 1, 1, 1))
    window = Window(kernel.shape, (down, right), (pad_h, pad_w), (pad_h, pad_w), (1, 1))
    made = deconvolve(n, x, weight, None, window, (x.shape[2] * down, x.shape[3] * right), channels)
    factors = np.outer(1 / sums_h, 1 / sums_w)
    if np.abs(factors - 1).max() <= CLOSE:
        return made
    divided = multiply(n, made, factors.astype(np.float32))
    assert isinstance(divided, Blob)
    return divided
