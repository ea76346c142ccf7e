"""Convolutions, poolings and resizings of the forks."""

from __future__ import annotations

import numpy as np

from tests.helpers.tables.forks.formula import Formula, some


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


VISION = [*upsamplings(), *depthwise()]
