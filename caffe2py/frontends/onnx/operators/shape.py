"""Other shapes, parts and orders of values."""

from __future__ import annotations

import math

import numpy as np

from caffe2py.frontends.caffe.draft import Blob, Draft, Unsayable, limited
from caffe2py.frontends.caffe.moves import concat, pad, reshape, split, take, tile, transpose
from caffe2py.frontends.caffe.windows import Window, convolve, deconvolve
from caffe2py.frontends.onnx.node import Made, Node, axis_of, operator


@operator("Flatten")
def flatten(node: Node, n: Draft) -> Made:
    x = node.blob()
    axis = node.attr("axis", 1)
    axis = axis + len(x.shape) if axis < 0 else axis
    return reshape(n, x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


@operator("Reshape")
def reshaped(node: Node, n: Draft) -> Made:
    x = node.blob()
    dims = [int(d) for d in node.known(1, "shape").reshape(-1)]
    if not node.attr("allowzero", 0):
        dims = [x.shape[i] if d == 0 else d for i, d in enumerate(dims)]
    if -1 in dims:
        dims[dims.index(-1)] = math.prod(x.shape) // max(-math.prod(dims), 1)
    return reshape(n, x, dims)


@operator("Squeeze")
def squeeze(node: Node, n: Draft) -> Made:
    x = node.blob()
    axes = node.given(1, "axes")
    gone = [i for i, d in enumerate(x.shape) if d == 1] if axes is None else [axis_of(a, len(x.shape)) for a in axes]
    return reshape(n, x, [d for i, d in enumerate(x.shape) if i not in gone])


@operator("Unsqueeze")
def unsqueeze(node: Node, n: Draft) -> Made:
    x, axes = node.blob(), list(np.atleast_1d(node.given(1, "axes")))
    rank = len(x.shape) + len(axes)
    new = {axis_of(int(a), rank) for a in axes}
    dims = iter(x.shape)
    return reshape(n, x, [1 if i in new else next(dims) for i in range(rank)])


@operator("Concat")
def concatenate(node: Node, n: Draft) -> Made:
    parts = [node.as_blob(n, i) for i in range(len(node.inputs))]
    return concat(n, parts, axis_of(node.attr("axis"), len(parts[0].shape)))


@operator("Split")
def split_(node: Node, n: Draft) -> Made:
    x = node.blob()
    axis = axis_of(node.attr("axis", 0), len(x.shape))
    sizes = node.given(1, "split")
    if sizes is None:
        parts = len(node.shapes)
        each = -(-x.shape[axis] // parts)
        sizes = [each] * (parts - 1) + [x.shape[axis] - each * (parts - 1)]
    return split(n, x, axis, sizes)


@operator("Slice")
def slice_(node: Node, n: Draft) -> Made:
    x = node.blob()
    starts, ends = node.given(1, "starts"), node.given(2, "ends")
    axes = node.given(3, "axes") or list(range(len(starts)))
    steps = node.given(4, "steps") or [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis = axis_of(axis, len(x.shape))
        size = x.shape[axis]
        indices = range(size)[slice(start, end, step)]
        if indices != range(size):
            x = take(n, x, axis, indices)
    return x


@operator("Gather")
def gather(node: Node, n: Draft) -> Made:
    """A part of a blob at known places, or a row of a known table for each number of a blob (Embed)."""
    data, indices = node.value(0), node.value(1)
    axis = node.attr("axis", 0)
    if isinstance(data, np.ndarray) and isinstance(indices, Blob):
        if axis_of(axis, data.ndim) != 0:
            raise Unsayable("takes columns of a table by numbers of the net")
        table = data.reshape(data.shape[0], -1)
        words = {"input_dim": table.shape[0], "num_output": table.shape[1], "bias_term": False}
        made = n.layer("Embed", indices.of or indices, blobs=[table], embed_param=words)
        return reshape(n, made, (*indices.shape, *data.shape[1:]))
    x = node.blob()
    if isinstance(indices, Blob) and axis_of(axis, len(x.shape)) == 0:
        rows = n.layer("BatchReindex", x, reshape(n, indices.of or indices, (math.prod(indices.shape),)))
        return reshape(n, rows, (*indices.shape, *x.shape[1:]))
    axis, places = axis_of(axis, len(x.shape)), node.known(1, "indices")
    wanted = [int(i) + (x.shape[axis] if i < 0 else 0) for i in places.reshape(-1)]
    part = take(n, x, axis, wanted)
    return reshape(n, part, (*x.shape[:axis], *places.shape, *x.shape[axis + 1 :]))


@operator("Transpose")
def transposed(node: Node, n: Draft) -> Made:
    x = node.blob()
    return transpose(n, x, node.attr("perm") or list(range(len(x.shape)))[::-1])


@operator("Expand")
def expand(node: Node, n: Draft) -> Made:
    x, dims = node.blob(), [int(d) for d in node.known(1, "shape").reshape(-1)]
    shape = np.broadcast_shapes(x.shape, tuple(dims))
    return tile(n, reshape(n, x, (*[1] * (len(shape) - len(x.shape)), *x.shape)), shape)


@operator("Tile")
def tiled(node: Node, n: Draft) -> Made:
    x = node.blob()
    for axis, times in enumerate(node.known(1, "repeats").tolist()):
        if times > 1:
            x = n.layer("Tile", x, tile_param={"axis": axis, "tiles": times})
    return x


@operator("Pad")
def padded(node: Node, n: Draft) -> Made:
    """Constant borders; reflected, repeated and wrapped ones are parts of the blob itself."""
    x = node.blob()
    pads = [int(p) for p in np.asarray(node.given(1, "pads")).reshape(-1)]
    axes = node.given(3, "axes") if node.optional(3) is not None else list(range(len(x.shape)))
    before, after = [0] * len(x.shape), [0] * len(x.shape)
    for i, axis in enumerate(axes):
        before[axis_of(axis, len(x.shape))], after[axis_of(axis, len(x.shape))] = pads[i], pads[i + len(axes)]
    mode = node.attr("mode", "constant")
    if mode == "constant":
        value = node.given(2, "value", 0.0)
        return pad(n, x, before, after, float(np.asarray(value).reshape(-1)[0]))
    modes = {"reflect": "reflect", "edge": "edge", "wrap": "wrap"}
    for axis, ends in enumerate(zip(before, after, strict=True)):
        if any(ends):
            limited(x.shape[axis] + sum(ends), 128)
            if min(ends) < 0:
                raise Unsayable(f"a border of {ends} in mode {mode}")
            x = take(n, x, axis, np.pad(np.arange(x.shape[axis]), ends, mode=modes[mode]).tolist())  # type: ignore[call-overload]
    return x


@operator("DepthToSpace")
def depth_to_space(node: Node, n: Draft) -> Made:
    """A Deconvolution whose kernels each set one place of a block."""
    x, size = node.blob(), node.attr("blocksize")
    channels = x.shape[1] // size**2
    if node.attr("mode", "DCR") == "CRD":
        weight, group = np.tile(_places(size), (channels, 1, 1, 1)), channels
    else:
        weight, group = np.zeros((x.shape[1], channels, size, size), np.float32), 1
        for place, kernel in enumerate(_places(size)[:, 0]):
            weight[np.arange(channels) + place * channels, np.arange(channels)] = kernel
    window = Window((size, size), (size, size), (0, 0), (0, 0), (1, 1))
    return deconvolve(n, x, weight, None, window, (x.shape[2] * size, x.shape[3] * size), group)


@operator("SpaceToDepth")
def space_to_depth(node: Node, n: Draft) -> Made:
    x, size = node.blob(), node.attr("blocksize")
    channels = x.shape[1]
    by_channel = node.attr("mode", "DCR") == "CRD"
    weight = np.zeros((channels * size**2, channels, size, size), np.float32)
    for place, kernel in enumerate(_places(size)[:, 0]):
        rows = np.arange(channels) * size**2 + place if by_channel else np.arange(channels) + place * channels
        weight[rows, np.arange(channels)] = kernel
    return convolve(n, x, weight, None, Window((size, size), (size, size), (0, 0), (0, 0), (1, 1)))


def _places(size: int) -> np.ndarray:
    """For each place of a block, a kernel (1, size, size) that is 1 there."""
    return np.eye(size * size, dtype=np.float32).reshape(-1, 1, size, size)
