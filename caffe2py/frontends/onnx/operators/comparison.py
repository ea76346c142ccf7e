"""Comparisons, whose truths are blobs of ones and zeros, and what is chosen by them.

Caffe has one comparison, Threshold: 1 where x > t. The sign of a difference of two floats is exact.
"""

from __future__ import annotations

import math

import numpy as np

from caffe2py.frontends.caffe.arithmetic import add, largest, multiply, power, subtract, together
from caffe2py.frontends.caffe.draft import Blob, Draft, Unsayable
from caffe2py.frontends.caffe.moves import reshape
from caffe2py.frontends.onnx.node import Made, Node, Value, axis_of, operator


def true(blob: Value) -> Blob:
    assert isinstance(blob, Blob)
    blob.whole = True
    return blob


def above(n: Draft, x: Value, y: Value) -> Blob:
    """1 where x > y, else 0."""
    if isinstance(x, Blob) and isinstance(y, np.ndarray) and y.size == 1:
        made = n.layer("Threshold", x, threshold_param={"threshold": float(y.reshape(-1)[0])})
        return true(reshape(n, made, together(x.shape, y.shape)))
    difference = subtract(n, x, y)
    assert isinstance(difference, Blob)
    return true(n.layer("Threshold", difference))


def negated(n: Draft, x: Blob) -> Blob:
    return true(power(n, x, scale=-1, shift=1))


@operator("Greater", "Less", "GreaterOrEqual", "LessOrEqual")
def ordered(node: Node, n: Draft) -> Made:
    x, y = (node.blob(i) if isinstance(node.value(i), Blob) else node.value(i) for i in (0, 1))
    if node.op in ("Greater", "Less"):
        return above(n, x, y) if node.op == "Greater" else above(n, y, x)
    return negated(n, above(n, y, x) if node.op == "GreaterOrEqual" else above(n, x, y))


@operator("Equal")
def equal(node: Node, n: Draft) -> Made:
    """Neither above nor below. What is cut to whole numbers lies between two floats."""
    x, y = node.value(0), node.value(1)
    if isinstance(y, Blob) and not isinstance(x, Blob):
        x, y = y, x
    if isinstance(x, Blob) and x.of is not None and isinstance(y, np.ndarray):
        low, high = _bounds(y)
        inside = multiply(n, above(n, x.of, low), above(n, high, x.of))
        return true(inside)
    node.blob(0 if x is node.value(0) else 1)
    either = add(n, above(n, x, y), above(n, y, x))
    assert isinstance(either, Blob)
    return negated(n, either)


def _bounds(whole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The floats between which lies all that is cut to these whole numbers: behind the point nothing counts."""
    c = whole.astype(np.float32)
    low = np.where(c > 0, np.nextafter(c, np.float32(-math.inf)), c - 1)
    high = np.where(c >= 0, c + 1, np.nextafter(c, np.float32(math.inf)))
    return low.astype(np.float32), high.astype(np.float32)


@operator("Not")
def not_(node: Node, n: Draft) -> Made:
    return negated(n, node.blob())


@operator("And", "Or")
def both(node: Node, n: Draft) -> Made:
    x, y = (v if isinstance(v, Blob) else v.astype(np.float32) for v in (node.value(0), node.value(1)))
    return true(multiply(n, x, y) if node.op == "And" else largest(n, x, y))


@operator("Where")
def where(node: Node, n: Draft) -> Made:
    """x truth + y (1 - truth), which is exact for finite values."""
    truth, x, y = node.blob(), node.value(1), node.value(2)
    chosen = multiply(n, truth, x)
    if isinstance(y, np.ndarray) and not y.any() and together(chosen.shape, y.shape) == chosen.shape:
        return chosen
    return add(n, chosen, multiply(n, negated(n, truth), y))


@operator("Compress")
def compress(node: Node, n: Draft) -> Made:
    """Samples that are kept by their truths: Filter. How many there are is known when the net runs."""
    x, truth = node.blob(), node.blob(1)
    if "axis" not in node.attributes or axis_of(node.attr("axis"), len(x.shape)) != 0 or len(truth.shape) != 1:
        raise Unsayable("drops what is no sample")
    return n.layer("Filter", x, truth)


def nonzero(n: Draft, x: Blob) -> Blob:
    """1 where x is not 0; of what is cut to a whole number, where that is not 0."""
    size = n.layer("AbsVal", x.of or x)
    below = 0.0 if x.of is None else float(np.nextafter(np.float32(1), np.float32(0)))
    return true(n.layer("Threshold", size, threshold_param={"threshold": below}))


@operator("NonMaxSuppression")
def overlapping(node: Node, n: Draft) -> Made:
    """A part of what forks say by one layer; see `subgraphs`."""
    raise Unsayable("boxes that overlap go in layers of forks only, of which DetectionOutput is told: --dialect ssd")
