"""Convolutions, their transposes, and products with a matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from caffe2py.frontends.caffe.arithmetic import add, multiply
from caffe2py.frontends.caffe.draft import Blob, Draft, Unsayable
from caffe2py.frontends.caffe.moves import along, reshape, transpose
from caffe2py.frontends.caffe.windows import Window, convolve, deconvolve
from caffe2py.frontends.onnx.node import Made, Node, operator


def window_of(node: Node, sizes: Sequence[int], kernel: Sequence[int]) -> Window:
    """The window that an operator's attributes say; `sizes` are those of the image."""
    axes = len(kernel)
    stride = tuple(node.attr("strides") or [1] * axes)
    dilation = tuple(node.attr("dilations") or [1] * axes)
    pads = list(node.attr("pads") or [0] * (2 * axes))
    auto = node.attr("auto_pad", "NOTSET")
    window = Window(tuple(kernel), stride, tuple(pads[:axes]), tuple(pads[axes:]), dilation)
    if auto in ("NOTSET", ""):
        return window
    if auto == "VALID":
        return Window(window.kernel, stride, (0,) * axes, (0,) * axes, dilation)
    needs = [
        max((-(-size // s) - 1) * s + e - size, 0) for size, s, e in zip(sizes, stride, window.extent, strict=True)
    ]
    less, more = tuple(p // 2 for p in needs), tuple(p - p // 2 for p in needs)
    before, after = (less, more) if auto == "SAME_UPPER" else (more, less)
    return Window(window.kernel, stride, before, after, dilation)


@operator("Conv")
def conv(node: Node, n: Draft) -> Made:
    x, weight = node.blob(), node.known(1, "weight")
    window = window_of(node, x.shape[2:], weight.shape[2:])
    return convolve(n, x, weight, node.maybe(2, "bias"), window, node.attr("group", 1))


@operator("ConvTranspose")
def conv_transpose(node: Node, n: Draft) -> Made:
    x, weight = node.blob(), node.known(1, "weight")
    window = window_of(node, x.shape[2:], weight.shape[2:])
    axes = len(window.kernel)
    more = node.attr("output_padding") or [0] * axes
    auto, out = node.attr("auto_pad", "NOTSET"), node.attr("output_shape")
    if not out and auto in ("SAME_UPPER", "SAME_LOWER"):
        out = [i * s for i, s in zip(x.shape[2:], window.stride, strict=True)]
    if not out:
        out = node.shape[2:]
    else:
        out = out[-axes:]
        whole = [
            s * (i - 1) + p + e for s, i, p, e in zip(window.stride, x.shape[2:], more, window.extent, strict=True)
        ]
        total = [max(w - o, 0) for w, o in zip(whole, out, strict=True)]
        half = tuple(t // 2 if auto == "SAME_UPPER" else t - t // 2 for t in total)
        window = Window(window.kernel, window.stride, half, half, window.dilation)
    return deconvolve(n, x, weight, node.maybe(2, "bias"), window, tuple(out), node.attr("group", 1))


@operator("Gemm")
def gemm(node: Node, n: Draft) -> Made:
    """alpha A B + beta C as an InnerProduct, where B is known: C is its bias where it has one number a column."""
    alpha, beta = node.attr("alpha", 1.0), node.attr("beta", 1.0)
    a, b, c = node.value(0), node.value(1), node.optional(2)
    if isinstance(b, Blob) and isinstance(a, Blob):
        raise Unsayable("a product of two blobs, which no layer of Caffe makes")
    bias = None
    made: Blob | np.ndarray
    if isinstance(b, Blob):
        assert isinstance(a, np.ndarray)
        left = a.T if node.attr("transA", 0) else a
        right = transpose(n, node.blob(1), [1, 0]) if node.attr("transB", 0) else node.blob(1)
        made = along(n, right, 0, _times(left, alpha))
    else:
        if not node.attr("transB", 0):
            b = b.T
        if isinstance(a, np.ndarray):
            made = _times((a.T if node.attr("transA", 0) else a) @ b.T, alpha)
        else:
            x = transpose(n, node.blob(), [1, 0]) if node.attr("transA", 0) else node.blob()
            if isinstance(c, np.ndarray) and c.size == b.shape[0] and c.shape[-1:] == (b.shape[0],):
                bias, c = _times(c.reshape(-1), beta), None
            made = inner_product(n, x, _times(b, alpha), bias)
    if c is None:
        return made
    return add(n, made, multiply(n, c, np.asarray(beta, np.float32)) if beta != 1 else c)


def _times(values: np.ndarray, factor: float) -> np.ndarray:
    return values if factor == 1 else values * np.float32(factor)


def inner_product(n: Draft, x: Blob, weight: np.ndarray, bias: np.ndarray | None) -> Blob:
    """x times weight (out, in) over its last axis."""
    words: dict[str, object] = {"num_output": weight.shape[0]}
    if len(x.shape) != 2:
        words["axis"] = len(x.shape) - 1
    if bias is None:
        words["bias_term"] = False
    blobs = [weight] if bias is None else [weight, bias]
    return n.layer("InnerProduct", x, blobs=blobs, inner_product_param=words)


@operator("MatMul")
def matmul(node: Node, n: Draft) -> Made:
    """A product with a known matrix, on either side."""
    a, b = node.value(0), node.value(1)
    if isinstance(a, Blob) and isinstance(b, np.ndarray):
        x = node.blob()
        if b.ndim > 2 and b.size != b.shape[-1] * b.shape[-2]:
            raise Unsayable("a product with several matrices; want one")
        matrix = b.reshape(b.shape[-2:]).T if b.ndim > 1 else b.reshape(1, -1)
        made = inner_product(n, x if len(x.shape) > 1 else reshape(n, x, (1, *x.shape)), matrix, None)
        return reshape(n, made, node.shape)
    if isinstance(b, Blob) and isinstance(a, np.ndarray):
        x = node.blob(1)
        if a.size != np.prod(a.shape[-2:]) or len(x.shape) < 2:
            raise Unsayable("a product with several matrices; want one")
        return reshape(n, along(n, x, len(x.shape) - 2, a.reshape(-1, a.shape[-1])), node.shape)
    raise Unsayable("a product of two blobs, which no layer of Caffe makes")
