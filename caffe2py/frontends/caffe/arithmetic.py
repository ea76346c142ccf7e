"""Arithmetic of blobs with numbers and with each other, spread over each other's axes as numpy spreads them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from caffe2py.frontends.caffe.draft import Blob, Draft, Unsayable, float_blob
from caffe2py.frontends.caffe.moves import reshape, tile
from caffe2py.layers.base import Shape

Operand = Blob | np.ndarray


def power(n: Draft, x: Blob, power: float = 1.0, scale: float = 1.0, shift: float = 0.0) -> Blob:
    """(shift + scale x) ^ power."""
    given = {"power": (power, 1.0), "scale": (scale, 1.0), "shift": (shift, 0.0)}
    words = {name: float(value) for name, (value, default) in given.items() if value != default}
    return n.layer("Power", x, power_param=words) if words else x


def negative(n: Draft, x: Operand) -> Operand:
    return np.asarray(-float_blob(x)) if isinstance(x, np.ndarray) else power(n, x, scale=-1)


def clip(n: Draft, x: Blob, low: float, high: float) -> Blob:
    """min(max(x, low), high); infinite limits are none, which a ReLU says."""
    if low > high:
        raise Unsayable(f"a Clip to {low} and more, {high} and less")
    if math.isinf(high):
        return x if math.isinf(low) else power(n, n.layer("ReLU", power(n, x, shift=-low)), shift=low)
    if not math.isinf(low):
        return n.layer("Clip", x, clip_param={"min": low, "max": high})
    return power(n, n.layer("ReLU", power(n, x, scale=-1, shift=high)), scale=-1, shift=high)


def together(*shapes: Shape) -> Shape:
    """The shape that several spread to."""
    try:
        return tuple(int(d) for d in np.broadcast_shapes(*shapes))
    except ValueError:
        raise Unsayable(f"shapes {', '.join(map(str, shapes))} do not spread over each other") from None


def aligned(n: Draft, x: Blob, rank: int) -> Blob:
    """x with as many axes, those of 1 put before its own."""
    return reshape(n, x, (*[1] * (rank - len(x.shape)), *x.shape))


def add(n: Draft, x: Operand, y: Operand) -> Operand:
    if isinstance(x, np.ndarray):
        x, y = y, x
    if isinstance(x, np.ndarray):
        assert isinstance(y, np.ndarray)
        return np.asarray(np.add(x, y))
    if isinstance(y, np.ndarray):
        return _with_constant(n, x, y, "Bias")
    return _with_blob(n, x, y, "Bias", "SUM")


def subtract(n: Draft, x: Operand, y: Operand) -> Operand:
    if isinstance(x, Blob) and isinstance(y, Blob) and x.shape == y.shape:
        return n.layer("Eltwise", x, y, eltwise_param={"operation": "SUM", "coeff": [1, -1]})
    return add(n, x, negative(n, y))


def multiply(n: Draft, x: Operand, y: Operand) -> Operand:
    if isinstance(x, np.ndarray):
        x, y = y, x
    if isinstance(x, np.ndarray):
        assert isinstance(y, np.ndarray)
        return np.asarray(np.multiply(x, y))
    if isinstance(y, np.ndarray):
        return _with_constant(n, x, y, "Scale")
    for a, b in ((x, y), (y, x)):
        gate = n.made_by(a, "Sigmoid")
        if gate is not None and gate.bottoms == (b,) and n.target.has("Swish"):
            return n.layer("Swish", b)
    return _with_blob(n, x, y, "Scale", "PROD")


def divide(n: Draft, x: Operand, y: Operand) -> Operand:
    if isinstance(y, np.ndarray):
        return multiply(n, x, np.asarray(np.divide(1, y, dtype=np.float64), np.float32))
    return multiply(n, x, power(n, y, power=-1))


def largest(n: Draft, x: Operand, y: Operand) -> Operand:
    """The larger of each two values."""
    if isinstance(x, np.ndarray):
        x, y = y, x
    if isinstance(x, np.ndarray):
        assert isinstance(y, np.ndarray)
        return np.asarray(np.maximum(x, y))
    if isinstance(y, np.ndarray) and y.size == 1:
        shape = together(x.shape, y.shape)
        return reshape(n, clip(n, x, float(y.reshape(-1)[0]), math.inf), shape)
    shape = together(x.shape, y.shape)
    if isinstance(y, np.ndarray):
        y = n.constant(np.broadcast_to(y, shape).copy())
    both = [tile(n, aligned(n, each, len(shape)), shape) for each in (x, y)]
    return n.layer("Eltwise", *both, eltwise_param={"operation": "MAX"})


def smallest(n: Draft, x: Operand, y: Operand) -> Operand:
    """-max(-x, -y), which is exact."""
    return negative(n, largest(n, negative(n, x), negative(n, y)))


def _extent(shape: Sequence[int]) -> tuple[int, int]:
    """The axes from the first to the last that is not 1."""
    axes = [i for i, d in enumerate(shape) if d != 1]
    return (axes[0], axes[-1] + 1) if axes else (0, 0)


def _with_constant(n: Draft, x: Blob, values: np.ndarray, kind: str) -> Blob:
    """x times, or plus, values: a Power for one number, else a Scale or a Bias over the axes that the values have."""
    shape = together(x.shape, values.shape)
    x = tile(n, aligned(n, x, len(shape)), shape)
    if values.size == 1:
        number = float(float_blob(values).reshape(-1)[0])
        return power(n, x, scale=number) if kind == "Scale" else power(n, x, shift=number)
    values = values.reshape((1,) * (len(shape) - values.ndim) + values.shape)
    first, last = _extent(values.shape)
    inner = np.broadcast_to(values.reshape(values.shape[first:last]), shape[first:last])
    words = {"axis": first, "num_axes": last - first}
    blobs = [np.ascontiguousarray(float_blob(inner))]
    if kind == "Scale":
        return n.layer(kind, x, blobs=blobs, scale_param=words)
    return n.layer(kind, x, blobs=blobs, bias_param=words)


def _with_blob(n: Draft, x: Blob, y: Blob, kind: str, operation: str) -> Blob:
    """x times, or plus, a blob: an Eltwise for equal shapes, else a Scale or a Bias of two bottoms."""
    shape = together(x.shape, y.shape)
    x, y = aligned(n, x, len(shape)), aligned(n, y, len(shape))
    if x.shape != shape:
        x, y = y, x
    x = tile(n, x, shape)
    if y.shape == shape:
        return n.layer("Eltwise", x, y, eltwise_param={"operation": operation})
    first, last = _extent(y.shape)
    if first <= 1 and y.shape[0] == shape[0]:
        first = 0  # the batch goes with it, so that its size may be changed
    inside = y.shape[first:last]
    if inside and inside != shape[first:last]:
        y = tile(n, y, (*y.shape[:first], *shape[first:last], *y.shape[last:]))
        if y.shape == shape:
            return n.layer("Eltwise", x, y, eltwise_param={"operation": operation})
    flat = reshape(n, y, shape[first:last])
    if kind == "Scale":
        return n.layer(kind, x, flat, scale_param={"axis": first})
    return n.layer(kind, x, flat, bias_param={"axis": first})
