"""Moving values about: other shapes, parts, other orders. Nothing is computed; every way is exact, bit for bit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from caffe2py.frontends.caffe.draft import Blob, Draft, Unsayable, limited
from caffe2py.layers.base import Shape

MOST_PIECES = 1024  # layers have been seen with so many tops; a Concat of more is no net any more
FEW_PIECES = 64  # with more than that, an order is said by a convolution with ones and zeros


def reshape(n: Draft, x: Blob, shape: Sequence[int]) -> Blob:
    """The same values, in order, as another shape. An equal first axis is copied, so that a batch may be changed."""
    shape = tuple(shape)
    if shape == x.shape:
        return x
    if len(shape) == 2 and len(x.shape) > 2 and shape[0] == x.shape[0]:
        return n.layer("Flatten", x)
    if math.prod(shape) != math.prod(x.shape):
        raise Unsayable(f"a blob of shape {x.shape} does not fit into {shape}")
    dims = [0 if i == 0 and x.shape and d == x.shape[0] else d for i, d in enumerate(shape)]
    return n.layer("Reshape", x, reshape_param={"shape": {"dim": dims}})


def split(n: Draft, x: Blob, axis: int, sizes: Sequence[int]) -> tuple[Blob, ...]:
    """Parts of these sizes along an axis, side by side; sizes of 0 are refused."""
    if len(sizes) > MOST_PIECES:
        raise Unsayable(f"a Slice into {len(sizes)} blobs; want {MOST_PIECES} at the most")
    if min(sizes) < 1:
        raise Unsayable(f"a part of size {min(sizes)}")
    if len(sizes) == 1:
        return (x,)
    points = list(np.cumsum(sizes[:-1]).tolist())
    return n.layers("Slice", len(sizes), x, slice_param={"axis": axis, "slice_point": points})


def cut(n: Draft, x: Blob, axis: int, start: int, stop: int) -> Blob:
    """x[start:stop] along an axis."""
    size = x.shape[axis]
    sizes = [start, stop - start, size - stop]
    if stop <= start:
        raise Unsayable(f"an empty part ({start} to {stop}) of an axis of {size}")
    kept = [s for s in sizes if s]
    return split(n, x, axis, kept)[1 if start else 0]


def concat(n: Draft, parts: Sequence[Blob], axis: int) -> Blob:
    """Blobs one behind the other along an axis."""
    if len(parts) > MOST_PIECES:
        raise Unsayable(f"a Concat of {len(parts)} blobs; want {MOST_PIECES} at the most")
    return parts[0] if len(parts) == 1 else n.layer("Concat", *parts, concat_param={"axis": axis})


def tile(n: Draft, x: Blob, shape: Sequence[int]) -> Blob:
    """x with its axes of 1 repeated to a shape of as many axes."""
    for axis, (have, want) in enumerate(zip(x.shape, shape, strict=True)):
        if have == 1 and want > 1:
            x = n.layer("Tile", x, tile_param={"axis": axis, "tiles": want})
        elif have != want:
            raise Unsayable(f"a blob of shape {x.shape} does not spread to {tuple(shape)}")
    return x


def around(shape: Shape, first: int, last: int) -> tuple[int, int, int]:
    """How many values lie before, on, and behind the axes `first` up to `last`."""
    return math.prod(shape[:first]), math.prod(shape[first:last]), math.prod(shape[last:])


def take(n: Draft, x: Blob, axis: int, indices: Sequence[int]) -> Blob:
    """x at these indices of an axis, in their order.

    Runs of indices that follow each other are cut out and joined. Where there are many, and they are evenly spaced, a
    convolution of one tap strides over them; else one with a matrix of ones and zeros takes them, which is exact for
    finite values.
    """
    size = x.shape[axis]
    if isinstance(indices, range) and indices.step > 0 and indices:
        if indices.step == 1 or len(indices) == 1:
            return cut(n, x, axis, indices[0], indices[-1] + 1)
        if n.target.has("Reshape"):
            return _stride(n, x, axis, indices.start, indices.step, len(indices))
    limited(len(indices), 128)  # as numbers of Python
    indices = [int(i) for i in indices]
    if any(not 0 <= i < size for i in indices) or not indices:
        raise Unsayable(f"the indices of an axis of {size} are none, or lie outside")
    runs: list[list[int]] = []
    for i in indices:
        if runs and i == runs[-1][-1] + 1:
            runs[-1].append(i)
        else:
            runs.append([i])
    steps = {b - a for a, b in pairwise(indices)}
    if len(runs) == 1:
        return cut(n, x, axis, indices[0], indices[-1] + 1)
    if len(steps) == 1 and (step := steps.pop()) > 1 and n.target.has("Reshape"):
        return _stride(n, x, axis, indices[0], step, len(indices))
    if len(runs) <= FEW_PIECES and (axis < 2 or n.target.has("concat_param.axis")):
        return concat(n, [cut(n, x, axis, run[0], run[-1] + 1) for run in runs], axis)
    limited(len(indices), size)
    matrix = np.zeros((len(indices), size), np.float32)
    matrix[np.arange(len(indices)), indices] = 1
    return along(n, x, axis, matrix)


def _stride(n: Draft, x: Blob, axis: int, start: int, step: int, count: int) -> Blob:
    """Every `step`th place of an axis, by a convolution of one tap and one channel."""
    before, _, behind = around(x.shape, axis, axis + 1)
    part = cut(n, x, axis, start, x.shape[axis])
    length = part.shape[axis]
    flat = reshape(n, part, (before, 1, length, behind))
    words = {"num_output": 1, "bias_term": False, "kernel_size": [1], "stride_h": step, "stride_w": 1}
    made = n.layer("Convolution", flat, blobs=[np.ones((1, 1, 1, 1), np.float32)], convolution_param=words)
    made = cut(n, made, 2, 0, count)
    return reshape(n, made, (*x.shape[:axis], count, *x.shape[axis + 1 :]))


def along(n: Draft, x: Blob, axis: int, matrix: np.ndarray) -> Blob:
    """matrix (out, in) times x along an axis: an InnerProduct on the last one, else a convolution of one tap."""
    out, size = matrix.shape
    if len(x.shape) == 4 and axis >= 2 and not n.target.has("Reshape"):
        return _along_images(n, x, axis, matrix)
    before, _, behind = around(x.shape, axis, axis + 1)
    if behind == 1:
        words = {"num_output": out, "bias_term": False, "axis": axis}
        if axis == len(x.shape) - 1 and axis > 0:
            return n.layer("InnerProduct", x, blobs=[matrix], inner_product_param=words)
    flat = x if len(x.shape) == 4 and axis == 1 else reshape(n, x, (before, size, behind, 1))
    words = {"num_output": out, "bias_term": False, "kernel_size": [1]}
    made = n.layer("Convolution", flat, blobs=[matrix.reshape(out, size, 1, 1)], convolution_param=words)
    return reshape(n, made, (*x.shape[:axis], out, *x.shape[axis + 1 :]))


def _along_images(n: Draft, x: Blob, axis: int, matrix: np.ndarray) -> Blob:
    """Each row of the matrix is a kernel as long as the axis; what it makes of a channel, a channel of its own, a
    Deconvolution with a single 1 in each kernel puts back side by side."""
    (out, size), channels = matrix.shape, x.shape[1]
    limited(channels, out, max(out, size))
    rows = axis == 2
    kernels = np.tile(matrix, (channels, 1)).reshape(-1, 1, size).astype(np.float32)
    places = np.tile(np.eye(out, dtype=np.float32), (channels, 1)).reshape(-1, 1, out)
    made = x
    for kind, weight, outputs in (("Convolution", kernels, channels * out), ("Deconvolution", places, channels)):
        length = weight.shape[2]
        words = {"num_output": outputs, "bias_term": False, "group": channels}
        words |= {"kernel_h": length if rows else 1, "kernel_w": 1 if rows else length}
        shaped = weight[..., None] if rows else weight[:, :, None]
        made = n.layer(kind, made, blobs=[np.ascontiguousarray(shaped)], convolution_param=words)
    return made


def transpose(n: Draft, x: Blob, order: Sequence[int]) -> Blob:
    """x with its axes in another order.

    Axes of 1 are no matter, and axes that stay together count as one. What is left is a row of exchanges of two
    neighbours, each said by cutting along the shorter and joining along the other. A dialect may have `Permute`.
    """
    shape = tuple(x.shape[a] for a in order)
    groups = _groups(x.shape, order)
    if groups == sorted(groups):
        return reshape(n, x, shape)
    if n.target.has("Permute"):
        return n.layer("Permute", x, fork={"permute_param.order": list(order)})
    sizes = [math.prod(x.shape[a] for a in group) for group in sorted(groups)]
    want = [sorted(groups).index(g) for g in groups]  # the group that belongs at each place
    now = list(range(len(want)))
    blob = x
    for place, group in enumerate(want):
        at = now.index(group)
        if at != place:  # what stands from `place` to `at` moves behind it, as one
            blob = _exchange(n, blob, [sizes[g] for g in now], place, at)
            now = [*now[:place], group, *now[place:at], *now[at + 1 :]]
    return reshape(n, blob, shape)


def _groups(shape: Shape, order: Sequence[int]) -> list[tuple[int, ...]]:
    """The axes in their new order, without those of 1, those together that are and stay neighbours."""
    left = [a for a in range(len(shape)) if shape[a] != 1]
    groups: list[list[int]] = []
    for axis in (a for a in order if shape[a] != 1):
        if groups and left.index(axis) == left.index(groups[-1][-1]) + 1:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    return [tuple(g) for g in groups]


def _exchange(n: Draft, x: Blob, sizes: Sequence[int], place: int, at: int) -> Blob:
    """The axis `at` moved to `place`, before all that stood from there."""
    before, a, b, behind = (math.prod(p) for p in (sizes[:place], sizes[place:at], [sizes[at]], sizes[at + 1 :]))
    if min(a, b) > MOST_PIECES:
        raise Unsayable(f"a transposition of {a} with {b} places; want {MOST_PIECES} at the most of one of them")
    flat = reshape(n, x, (before, a, b, behind))
    axis = 1 if a <= b else 2
    pieces = split(n, flat, axis, [1] * min(a, b))
    turned = [reshape(n, p, (before, p.shape[2], p.shape[1], behind)) for p in pieces]
    return concat(n, turned, 3 - axis)


def pad(n: Draft, x: Blob, before: Sequence[int], after: Sequence[int], value: float = 0.0) -> Blob:
    """A border of a value around x; numbers below 0 cut off.

    Zeros around images are said by a convolution of one tap with a pad, which a convolution behind takes over; all else
    by a Concat with constants.
    """
    for axis, (b, a) in enumerate(zip(before, after, strict=True)):
        if b < 0 or a < 0:
            x = cut(n, x, axis, max(-b, 0), x.shape[axis] - max(-a, 0))
    before, after = ([max(p, 0) for p in pads] for pads in (before, after))
    if not any((*before, *after)):
        return x
    if len(x.shape) == 4 and value == 0 and not any((*before[:2], *after[:2])):
        return _pad_images(n, x, tuple(before[2:]), tuple(after[2:]))
    made = x
    for axis, ends in enumerate(zip(before, after, strict=True)):
        limited(max(ends), math.prod(made.shape) // made.shape[axis])
        sides = [np.full((*made.shape[:axis], e, *made.shape[axis + 1 :]), value, np.float32) for e in ends]
        left, right = ([n.constant(s)] if s.size else [] for s in sides)
        made = concat(n, [*left, made, *right], axis)
    return made


def _pad_images(n: Draft, x: Blob, before: tuple[int, ...], after: tuple[int, ...]) -> Blob:
    channels = x.shape[1]
    most = [max(p) for p in zip(before, after, strict=True)]
    words = {"num_output": channels, "bias_term": False, "kernel_size": [1], "group": channels}
    words |= {"pad_h": most[0], "pad_w": most[1]}
    made = n.layer("Convolution", x, blobs=[np.ones((channels, 1, 1, 1), np.float32)], convolution_param=words)
    for axis, (b, a, m) in enumerate(zip(before, after, most, strict=True), 2):
        made = cut(n, made, axis, m - b, made.shape[axis] - (m - a))
    n.padded[made] = (x, before, after)
    return made
