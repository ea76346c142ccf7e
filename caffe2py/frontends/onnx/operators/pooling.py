"""Poolings over windows, and over whole images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from caffe2py.frontends.caffe.draft import Blob, Draft, Unsayable
from caffe2py.frontends.caffe.moves import reshape
from caffe2py.frontends.caffe.reductions import reduce
from caffe2py.frontends.caffe.windows import Average, Window, pool
from caffe2py.frontends.onnx.node import Made, Node, operator
from caffe2py.frontends.onnx.operators.convolution import window_of

EXACT = 2**24  # up to there every whole number is a float32
GLOBAL = {"GlobalAveragePool": "AVE", "GlobalMaxPool": "MAX"}


@operator("MaxPool", "AveragePool")
def pooled(node: Node, n: Draft) -> Made:
    """Rounding down, and borders of two sizes, are said with Caffe's own windows; see `windows.pool`."""
    x = node.blob()
    kernel = list(node.attr("kernel_shape"))
    window = window_of(node, x.shape[2:], kernel)
    if any(d != 1 for d in window.dilation):
        raise Unsayable("a pooling whose window has gaps")
    out, flat = node.shape[2:], len(x.shape) == 3
    if len(x.shape) not in (3, 4):
        raise Unsayable(f"a pooling over {len(x.shape) - 2} axes; Caffe pools images")
    _check_inside(window, x.shape[2:], out, bool(node.attr("ceil_mode", 0)))
    if flat:  # one axis: images of one row
        x, out = reshape(n, x, (*x.shape[:2], 1, x.shape[2])), (1, *out)
        window = Window((1, *window.kernel), (1, *window.stride), (0, *window.before), (0, *window.after))
    if node.op == "MaxPool":
        made, *places = pool(n, x, "MAX", window, out, places=len(node.shapes) > 1)
        if places:
            return [reshape(n, made, node.shape), _numbered(node, n, places[0], x.shape)]
    else:
        counts = bool(node.attr("count_include_pad", 0))
        average = Average(window.kernel, window.stride, window.before, window.after, border_counts=counts)
        (made,) = pool(n, x, "AVE", average, out)
    return reshape(n, made, node.shape)


def _check_inside(window: Window, sizes: Sequence[int], out: Sequence[int], rounded_up: bool) -> None:
    """Raise `Unsayable` for windows that one runtime has and another leaves out, or cuts."""
    axes = zip(sizes, window.extent, window.stride, window.before, window.after, out, strict=True)
    for size, extent, stride, before, after, count in axes:
        start, room = (count - 1) * stride, size + before + after
        if start >= size + before or extent > room or (start + extent > room and not rounded_up):
            raise Unsayable("a window that lies behind the image, or is larger, which the runtimes take differently")


def _numbered(node: Node, n: Draft, places: Blob, x: Sequence[int]) -> Blob:
    """Places in their images as ONNX counts them: on through all images."""
    if node.attr("storage_order", 0) or math.prod(x) > EXACT or len(x) != 4:
        raise Unsayable("numbers places down the columns, or more of them than floats can tell apart")
    places.whole = True
    size = x[2] * x[3]
    starts = np.arange(x[0] * x[1], dtype=np.float32).reshape(x[0], x[1]) * np.float32(size)
    made = n.layer("Bias", places, blobs=[starts], bias_param={"axis": 0, "num_axes": 2})
    made.whole = True
    n.numbered[made] = (places, size)
    return made


@operator("MaxRoiPool")
def of_regions(node: Node, n: Draft) -> Made:
    """ROIPooling, which is a fork's."""
    if not n.target.has("ROIPooling"):
        raise Unsayable("ROIPooling is a fork's layer: --dialect faster_rcnn")
    height, width = node.attr("pooled_shape")
    words = {"pooled_h": height, "pooled_w": width, "spatial_scale": node.attr("spatial_scale", 1.0)}
    fork = {f"roi_pooling_param.{word}": [value] for word, value in words.items()}
    return n.layer("ROIPooling", node.blob(), node.blob(1), fork=fork)


@operator(*GLOBAL)
def whole(node: Node, n: Draft) -> Made:
    x = node.blob()
    return reduce(n, x, GLOBAL[node.op], range(2, len(x.shape)), keep=True)
