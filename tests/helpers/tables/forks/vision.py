"""Convolutions, poolings and resizings of the forks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tests.helpers.tables.forks.formula import Formula, some
from tests.helpers.tables.layers import Array

Sizes = tuple[int, ...]


def upsamplings() -> list[Formula]:
    x, mask = some(1, 2, 2, 2), np.array([[0.0, 7], [2, 7]])
    masks = np.stack([mask, mask[::-1]])[None]
    top = np.zeros((1, 2, 3, 4))
    for c, h, w in np.ndindex(2, 2, 2):
        top[0, c].flat[int(masks[0, c, h, w])] = x[0, c, h, w]  # the last of two for one place stays
    wide = some(2, 3, 2, 3)
    return [
        Formula("Upsample", "upsample_param { upsample_h: 3 upsample_w: 4 }", [x, masks], [top]),
        Formula("Upsample", "upsample_param { scale: 2 pad_out_h: true }", [x, masks], [top]),
        Formula("Upsample", "upsample_param { scale_h: 2 scale_w: 2 pad_out_h: true }", [x, masks], [top]),
        Formula("Upsample", "upsample_param { scale: 3 }", [wide], [wide.repeat(3, 2).repeat(3, 3)]),
        Formula("Upsample", "", [wide], [wide]),
    ]


def depthwise() -> list[Formula]:
    x, weight, bias = some(2, 3, 5, 4), some(3, 1, 3, 3), some(3)
    padded = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)])
    top = np.zeros((2, 3, 3, 2))
    for n, c, h, w in np.ndindex(*top.shape):
        top[n, c, h, w] = (padded[n, c, 2 * h : 2 * h + 3, 2 * w : 2 * w + 3] * weight[c, 0]).sum() + bias[c]
    words = "num_output: 3 kernel_size: 3 pad: 1 stride: 2"
    return [
        Formula("ConvolutionDepthwise", f"convolution_param {{ {words} }}", [x], [top], [weight, bias]),
        Formula("ConvolutionDepthwise", f"convolution_param {{ {words} group: 3 }}", [x], [top], [weight, bias]),
    ]


def convolved(x: Array, weight: Array, bias: Array, stride: Sizes, pad: Sizes, group: int = 1) -> Array:
    """Place by place, over any number of axes."""
    x = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in pad)])
    kernel = weight.shape[2:]
    sizes = [(n - k) // s + 1 for n, k, s in zip(x.shape[2:], kernel, stride, strict=True)]
    top = np.zeros((x.shape[0], weight.shape[0], *sizes))
    inputs, outputs = x.shape[1] // group, weight.shape[0] // group
    for n, c, *place in np.ndindex(*top.shape):
        part = tuple(slice(i * s, i * s + k) for i, s, k in zip(place, stride, kernel, strict=True))
        first = c // outputs * inputs
        top[(n, c, *place)] = (x[(n, slice(first, first + inputs), *part)] * weight[c]).sum() + bias[c]
    return top


def convolutions() -> list[Formula]:
    volume, weight, bias = some(2, 2, 5, 6, 7), some(4, 2, 2, 3, 3), some(4)
    words = "num_output: 4 kernel_size: 3 kernel_depth: 2 stride: 2 pad: 1"
    top = convolved(volume, weight, bias, (1, 2, 2), (0, 1, 1))
    timed = convolved(volume, weight, bias, (2, 1, 1), (1, 0, 0))
    grouped, one = some(4, 1, 2, 3, 3), some(4)
    shapes = "kernel_shape { dim: [2, 3, 3] } stride_shape { dim: [2, 1, 1] } pad_shape { dim: [1, 0, 0] }"
    image, flat, four = some(2, 2, 5, 6), some(4, 2, 3, 3), some(4)
    plain = convolved(image, flat, four, (1, 1), (0, 0))
    leaky, vector, rows = np.where(plain > 0, plain, 0.125 * plain), some(3, 5), some(2, 5)
    two = some(2)
    relu = "num_output: 4 kernel_size: 3 relu: true"
    return [
        Formula("Convolution3D", f"convolution3d_param {{ {words} }}", [volume], [top], [weight, bias]),
        Formula("Convolution3D", f"convolution_param {{ {words} }}", [volume], [top], [weight, bias]),
        Formula(
            "Convolution3D",
            "convolution3d_param { num_output: 4 kernel_size: 3 kernel_depth: 2 temporal_stride: 2 temporal_pad: 1 }",
            [volume],
            [timed],
            [weight, bias],
        ),
        Formula(
            "Convolution3D",
            "convolution3d_param { num_output: 4 kernel_size: 3 kernel_depth: 2 group: 2 }",
            [volume],
            [convolved(volume, grouped, one, (1, 1, 1), (0, 0, 0), 2)],
            [grouped, one],
        ),
        Formula("NdConvolution", f"convolution_param {{ num_output: 4 {shapes} }}", [volume], [timed], [weight, bias]),
        Formula("Convolution", f"convolution_param {{ {relu} }}", [image], [np.maximum(plain, 0)], [flat, four]),
        Formula("Convolution", f"convolution_param {{ {relu} negative_slope: 0.125 }}", [image], [leaky], [flat, four]),
        Formula(
            "InnerProduct",
            "inner_product_param { num_output: 2 relu: true }",
            [vector],
            [np.maximum(vector @ rows.T + two, 0)],
            [rows, two],
        ),
        Formula(
            "InnerProduct",
            "inner_product_param { num_output: 2 relu: true transpose: true }",
            [vector],
            [np.maximum(vector @ rows.T + two, 0)],
            [rows.T, two],
        ),
    ]


def pooled(x: Array, kernel: Sizes, stride: Sizes, pad: Sizes, kind: str, padding_counts: bool = True) -> Array:
    """Window by window, over any number of axes, with Caffe's sizes."""
    spatial = x.shape[2:]
    axes = list(zip(spatial, kernel, stride, pad, strict=True))
    sizes = [math.ceil((n + 2 * p - k) / s) + 1 for n, k, s, p in axes]
    if any(pad):
        sizes = [m - 1 if (m - 1) * s >= n + p else m for m, (n, _, s, p) in zip(sizes, axes, strict=True)]
    top = np.zeros((*x.shape[:2], *sizes))
    for place in np.ndindex(*sizes):
        starts = [i * s - p for i, (_, _, s, p) in zip(place, axes, strict=True)]
        ends = [min(a + k, n + p) for a, (n, k, _, p) in zip(starts, axes, strict=True)]
        inside = tuple(slice(max(a, 0), min(b, n)) for a, b, n in zip(starts, ends, spatial, strict=True))
        part = x[(slice(None), slice(None), *inside)].reshape(*x.shape[:2], -1)
        whole = math.prod(b - a for a, b in zip(starts, ends, strict=True))
        divisor = whole if padding_counts else part.shape[2]
        with np.errstate(invalid="ignore"):
            top[(slice(None), slice(None), *place)] = part.max(2) if kind == "MAX" else part.sum(2) / divisor
    return top


def poolings() -> list[Formula]:
    volume, image = some(2, 2, 5, 6, 7), some(2, 3, 7, 6)
    found = []
    for kind in ("MAX", "AVE"):
        words = f"pool: {kind} kernel_size: 3 kernel_depth: 2 stride: 2 temporal_stride: 2"
        top = pooled(volume, (2, 3, 3), (2, 2, 2), (0, 0, 0), kind)
        found.append(Formula("Pooling3D", f"pooling3d_param {{ {words} }}", [volume], [top]))
        found.append(Formula("Pooling3D", f"pooling_param {{ {words} }}", [volume], [top]))
        top = pooled(volume, (1, 2, 2), (1, 2, 2), (0, 1, 1), kind)
        words = f"pool: {kind} kernel_size: 2 kernel_depth: 1 stride: 2 pad: 1"
        found.append(Formula("Pooling3D", f"pooling3d_param {{ {words} }}", [volume], [top]))
        words = "kernel_shape { dim: [2, 3, 2] } stride_shape { dim: [2, 1, 3] } pad_shape { dim: [1, 1, 0] }"
        top = pooled(volume, (2, 3, 2), (2, 1, 3), (1, 1, 0), kind)
        found.append(Formula("NdPooling", f"pooling_param {{ pool: {kind} {words} }}", [volume], [top]))
        words = f"pool: {kind} kernel_size: [2, 2, 3] stride: [2, 2, 3]"
        top = pooled(volume, (2, 2, 3), (2, 2, 3), (0, 0, 0), kind)
        found.append(Formula("Pooling", f"pooling_param {{ {words} }}", [volume], [top]))
    # The second window of the length starts at its end, that of the width behind it.
    short = volume[:, :, :3]
    top = pooled(short, (1, 2, 1), (3, 2, 8), (0, 0, 0), "AVE")
    words = "kernel_shape { dim: [1, 2, 1] } stride_shape { dim: [3, 2, 8] }"
    found.append(Formula("NdPooling", f"pooling_param {{ pool: AVE {words} }}", [short], [top]))
    top = pooled(image, (2, 3), (2, 2), (0, 0), "AVE")
    words = "kernel_shape { dim: [2, 3] } stride_shape { dim: 2 }"
    found.append(Formula("NdPooling", f"pooling_param {{ pool: AVE {words} }}", [image], [top]))
    for kernel, stride, pad in ((3, 2, 1), (3, 2, 0), (3, 2, 2), (4, 3, 1)):
        top = pooled(image, (kernel,) * 2, (stride,) * 2, (pad,) * 2, "AVE", padding_counts=False)
        words = f"pool: AVE kernel_size: {kernel} stride: {stride} pad: {pad} avg_include_pad: false"
        found.append(Formula("Pooling", f"pooling_param {{ {words} }}", [image], [top]))
    return found


def unpoolings() -> list[Formula]:
    x, mask = some(1, 2, 2, 3), np.array([[0.0, 3, 5], [13, 14, 22]])
    masks = np.stack([mask, mask[:, ::-1]])[None]
    first, placed = np.zeros((1, 2, 4, 6)), np.zeros((1, 2, 4, 6))
    for c, h, w in np.ndindex(2, 2, 3):
        placed[0, c].flat[int(masks[0, c, h, w])] = x[0, c, h, w]
        first[0, c, 2 * h, 2 * w] = x[0, c, h, w]
    square = np.zeros((1, 2, 7, 7))
    square[:, :, ::3, ::3][:, :, :2, :3] = x
    words = "kernel_size: 2 stride: 2"
    return [
        Formula("Unpooling", f"unpooling_param {{ {words} }}", [x, masks], [placed]),
        Formula("Unpooling", f"unpooling_param {{ {words} }}", [x], [first]),
        Formula("Unpooling", "unpooling_param { kernel_size: 2 stride: 3 unpool_size: 7 }", [x], [square]),
    ]


def cubic(v: Sequence[Array], d: float) -> Array:
    """The cubic through four values, d from the second to the third."""
    third = -0.5 * v[0] + 1.5 * v[1] - 1.5 * v[2] + 0.5 * v[3]
    second = v[0] - 2.5 * v[1] + 2 * v[2] - 0.5 * v[3]
    return third * d**3 + second * d**2 - 0.5 * (v[0] - v[2]) * d + v[1]


def stretched(x: Array, size: tuple[int, int]) -> Array:
    """An image (C, H, W), pixel by pixel: four rows, each of four columns; edges repeat."""
    top = np.zeros((x.shape[0], *size))
    for yo, xo in np.ndindex(*size):
        places = [(i + 0.5) * n / m - 0.5 for i, n, m in zip((yo, xo), x.shape[1:], size, strict=True)]
        (y, row), (across, column) = ((p, max(int(p + 1e-5), 0)) for p in places)
        near = [
            [
                x[:, min(max(r, 0), x.shape[1] - 1), min(max(c, 0), x.shape[2] - 1)]
                for c in range(column - 1, column + 3)
            ]
            for r in range(row - 1, row + 3)
        ]
        top[:, yo, xo] = cubic([cubic(values, across - column) for values in near], y - row)
    return top


def image_resizings() -> list[Formula]:
    one, two = some(1, 2, 5, 4), some(2, 2, 10, 20)
    small = two[1, :, 1:9, 2:18]  # of scale 0.8: a tenth is cut off on each side
    mean = (stretched(two[0], (12, 15)) + stretched(small, (12, 15))) / 2
    sized = "target_spatial_height: 12 target_spatial_width: 15"
    return [
        Formula("ImResize", "imresize_param { factor: 2 }", [one], [stretched(one[0], (10, 8))[None]], bar=3e-6),
        Formula("ImResize", f"imresize_param {{ {sized} }}", [one], [stretched(one[0], (12, 15))[None]], bar=3e-6),
        Formula("ImResize", f"imresize_param {{ {sized} scale_gap: 0.2 }}", [two], [mean[None]], bar=3e-6),
    ]


VISION = [*upsamplings(), *depthwise(), *convolutions(), *poolings(), *unpoolings(), *image_resizings()]
