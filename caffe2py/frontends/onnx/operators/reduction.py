"""Sums and the like over axes, and where the largest values are."""

from __future__ import annotations

import math

import numpy as np

from caffe2py.frontends.caffe.arithmetic import clip, multiply, power
from caffe2py.frontends.caffe.draft import Blob, Draft, Unsayable
from caffe2py.frontends.caffe.moves import reshape, take
from caffe2py.frontends.caffe.reductions import reduce
from caffe2py.frontends.onnx.node import Made, Node, axis_of, operator

KINDS = {"ReduceMean": "AVE", "ReduceSum": "SUM", "ReduceMax": "MAX", "ReduceMin": "MAX"}
KINDS |= dict.fromkeys(("ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum"), "SUM")


@operator(*KINDS)
def reductions(node: Node, n: Draft) -> Made:
    x = node.blob()
    axes = node.given(1, "axes") or ([] if node.attr("noop_with_empty_axes", 0) else range(len(x.shape)))
    axes = [axis_of(int(a), len(x.shape)) for a in axes]
    if node.op == "ReduceL1":
        x = n.layer("AbsVal", x)
    elif node.op in ("ReduceL2", "ReduceSumSquare"):
        x = power(n, x, power=2)
    elif node.op == "ReduceMin":
        x = power(n, x, scale=-1)
    made = reduce(n, x, KINDS[node.op], axes, bool(node.attr("keepdims", 1)))
    if node.op == "ReduceL2":
        made = power(n, made, power=0.5)
    elif node.op == "ReduceLogSum":
        made = n.layer("Log", made)
    elif node.op == "ReduceMin":
        made = power(n, made, scale=-1)
    return made


def turned(n: Draft, x: Blob, axis: int) -> Blob:
    """x with an axis backwards."""
    return take(n, x, axis, range(x.shape[axis])[::-1])


def _largest(n: Draft, x: Blob, axis: int, count: int, first: bool) -> tuple[Blob, Blob]:
    """The largest values and their places. Of equal ones Caffe takes the last, so that for the first x is turned."""
    words = {"axis": axis, **({"top_k": count} if count > 1 else {})}
    values = n.layer("ArgMax", x, argmax_param={**words, "out_max_val": True})
    places = n.layer("ArgMax", turned(n, x, axis) if first else x, argmax_param=words)
    if first:
        places = power(n, places, scale=-1, shift=x.shape[axis] - 1)
    places.whole = True
    return values, places


@operator("ArgMax", "ArgMin")
def arg_max(node: Node, n: Draft) -> Made:
    x = node.blob()
    axis = axis_of(node.attr("axis", 0), len(x.shape))
    if node.op == "ArgMin":
        x = power(n, x, scale=-1)
    _, places = _largest(n, x, axis, 1, first=not node.attr("select_last_index", 0))
    if node.attr("keepdims", 1):
        return places
    made = reshape(n, places, [d for i, d in enumerate(x.shape) if i != axis])
    made.whole = True
    return made


@operator("TopK")
def top_k(node: Node, n: Draft) -> Made:
    x = node.blob()
    count = node.attr("k") or int(node.known(1, "k").reshape(-1)[0])
    axis = axis_of(node.attr("axis", -1), len(x.shape))
    if not node.attr("largest", 1):
        values, places = _largest(n, power(n, x, scale=-1), axis, count, first=True)
        return [power(n, values, scale=-1), places]
    return _largest(n, x, axis, count, first=True)


@operator("LpNormalization")
def lp_normalization(node: Node, n: Draft) -> Made:
    x, p = node.blob(), node.attr("p", 2)
    if p not in (1, 2):
        raise Unsayable(f"a norm of p {p}")
    size = n.layer("AbsVal", x) if p == 1 else power(n, x, power=2)
    total = reduce(n, size, "SUM", [axis_of(node.attr("axis", -1), len(x.shape))], keep=True)
    above = clip(n, total, float(np.finfo(np.float32).tiny), math.inf)  # what is 0 everywhere stays 0
    return multiply(n, x, power(n, above, power=-1.0 if p == 1 else -0.5))
