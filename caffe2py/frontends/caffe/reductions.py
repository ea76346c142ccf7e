"""Sums, averages and largest values over axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from caffe2py.frontends.caffe.arithmetic import power
from caffe2py.frontends.caffe.draft import Blob, Draft
from caffe2py.frontends.caffe.moves import along, around, reshape, split

TRAILING = {"SUM": "SUM", "AVE": "MEAN"}


def reduce(n: Draft, x: Blob, kind: str, axes: Sequence[int], keep: bool) -> Blob:
    """SUM, AVE or MAX over axes; with `keep` they stay, as 1.

    A global Pooling over the axes of images, a Reduction over the last axes; else a pooling of one column over each
    block of neighbours.
    """
    axes = sorted(axes)
    kept = tuple(1 if a in axes else d for a, d in enumerate(x.shape))
    final = kept if keep else tuple(d for a, d in enumerate(x.shape) if a not in axes)
    if len(x.shape) == 4 and axes == [2, 3] and kind != "SUM":
        made = n.layer("Pooling", x, pooling_param={"pool": kind, "global_pooling": True})
    elif len(x.shape) == 4 and axes == [2, 3] and not n.target.has("Reduction"):
        made = power(n, reduce(n, x, "AVE", axes, keep=True), scale=math.prod(x.shape[2:]))
    elif kind in TRAILING and n.target.has("Reduction") and axes and axes == list(range(axes[0], len(x.shape))):
        words = {"axis": axes[0], **({} if kind == "SUM" else {"operation": "MEAN"})}
        made = n.layer("Reduction", x, reduction_param=words)
    else:
        made = x
        for first, last in _blocks(axes):
            made = _column(n, made, kind, first, last)
    return reshape(n, made, final)


def _blocks(axes: Sequence[int]) -> list[tuple[int, int]]:
    blocks: list[tuple[int, int]] = []
    for axis in axes:
        if blocks and blocks[-1][1] == axis:
            blocks[-1] = (blocks[-1][0], axis + 1)
        else:
            blocks.append((axis, axis + 1))
    return blocks


def _column(n: Draft, x: Blob, kind: str, first: int, last: int) -> Blob:
    before, size, behind = around(x.shape, first, last)
    if size == 1:
        return x
    if len(x.shape) == 4 and not n.target.has("Reshape"):
        for axis in range(first, last):
            x = _of_images(n, x, kind, axis)
        return x
    flat = reshape(n, x, (before, 1, size, behind))
    words = {"pool": "MAX" if kind == "MAX" else "AVE", "kernel_h": size, "kernel_w": 1}
    made = n.layer("Pooling", flat, pooling_param=words)
    if kind == "SUM":
        made = power(n, made, scale=size)
    return reshape(n, made, (*x.shape[:first], *[1] * (last - first), *x.shape[last:]))


def _of_images(n: Draft, x: Blob, kind: str, axis: int) -> Blob:
    """One axis of images: a product with a row of numbers, or the largest of its parts."""
    size = x.shape[axis]
    if kind == "MAX":
        parts = split(n, x, axis, [1] * size)
        return parts[0] if size == 1 else n.layer("Eltwise", *parts, eltwise_param={"operation": "MAX"})
    return along(n, x, axis, np.full((1, size), 1 if kind == "SUM" else 1 / size, np.float32))


def softmax(n: Draft, x: Blob, axis: int, flat: bool) -> Blob:
    """The softmax along an axis, or with `flat` over all axes from it on."""
    if flat and math.prod(x.shape[axis + 1 :]) > 1:
        lead = x.shape[:axis]
        return reshape(
            n,
            n.layer("Softmax", reshape(n, x, (*lead, math.prod(x.shape[axis:]))), softmax_param={"axis": axis}),
            x.shape,
        )
    return n.layer("Softmax", x, softmax_param={} if axis == 1 else {"axis": axis})
