"""Layers with learned blobs: what they make of numbers from a seed, in numpy, at the edges of their parameters."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.helpers.tables.layers import Array, values
from tests.helpers.tables.windows import pairs, window

RANDOM = '{ type: "uniform" min: -1 max: 1 }'


@dataclass(frozen=True)
class Learned:
    """A layer with learned blobs: the top that it makes of x and them."""

    type: str
    params: str
    x: Array
    top: Callable[..., Array]


def learned() -> list[Learned]:
    found = []
    x = values(2, 3, 4, 5)
    for axis, num_axes in [(0, -1), (0, 2), (1, 1), (1, 3), (1, -1), (-1, 1), (2, 2), (-2, -1), (1, 0)]:
        after = 0 if num_axes == -1 else 4 - axis % 4 - num_axes

        def spread(b: Array, after: int = after) -> Array:
            return b.reshape(*b.shape, *[1] * after)

        words = f"axis: {axis} num_axes: {num_axes} filler {RANDOM}"
        found.append(Learned("Bias", f"bias_param {{ {words} }}", x, lambda x, b, s=spread: x + s(b)))
        found.append(
            Learned(
                "Scale",
                f"scale_param {{ {words} bias_term: true bias_filler {RANDOM} }}",
                x,
                lambda x, w, b, s=spread: x * s(w) + s(b),
            )
        )
    fillers = f"weight_filler {RANDOM} bias_filler {RANDOM}"
    for rows in (np.array([0.0, 2, 2.9, 1]), np.array(1.0), np.array([[[3.0, 0]]])):
        params = f"embed_param {{ input_dim: 4 num_output: 3 {fillers} }}"
        found.append(Learned("Embed", params, rows, lambda x, w, b: w[x.astype(int)] + b))
    for words, shape in {
        "kernel_size: 3 stride: 2": (2, 4, 5),
        "kernel_size: 2 stride: 3 pad: 1 group: 2": (2, 4, 3, 4),
        "kernel_size: 3 stride: 2 dilation: 2 pad: 1 group: 4": (1, 4, 3, 2),
        "kernel_size: 2 kernel_size: 1 kernel_size: 3 stride: 2 stride: 1 stride: 1": (1, 2, 2, 3, 2),
        "kernel_h: 1 kernel_w: 3 pad_h: 0 pad_w: 2": (2, 2, 3, 4),
        "kernel_size: 2 axis: 2": (2, 3, 2, 3, 4),
        "kernel_size: 2 axis: 0": (4, 3, 4),
        "kernel_size: 1": (2, 2, 3, 3),
    }.items():
        params = f"convolution_param {{ num_output: 4 {words} {fillers} }}"
        found.append(
            Learned("Deconvolution", params, values(*shape), lambda x, w, b, words=words: _deconvolved(x, w, b, words))
        )
        found.append(
            Learned(
                "Deconvolution",
                f"convolution_param {{ num_output: 4 bias_term: false {words} {fillers} }}",
                values(*shape),
                lambda x, w, words=words: _deconvolved(x, w, np.zeros(4), words),
            )
        )
    found.append(
        Learned("PReLU", f"prelu_param {{ filler {RANDOM} }}", values(2, 3), lambda x, s: np.where(x > 0, x, s * x))
    )
    return found


def _deconvolved(x: Array, weight: Array, bias: Array, params: str) -> Array:
    """Each value of x times the kernel, added where the kernel lies."""
    at, kernel, stride, pad, dilation = window(x, params)
    group = dict(pairs(params)).get("group", 1)
    lead, spatial = x.shape[:at], x.shape[at + 1 :]
    full = [s * (n - 1) + d * (k - 1) + 1 for n, k, s, d in zip(spatial, kernel, stride, dilation, strict=True)]
    outputs = weight.shape[1]
    top = np.zeros((*lead, outputs * group, *full))
    channels = x.shape[at] // group
    for c, place, offset in itertools.product(
        range(x.shape[at]), itertools.product(*map(range, spatial)), itertools.product(*map(range, kernel))
    ):
        target = [i * s + k * d for i, s, k, d in zip(place, stride, offset, dilation, strict=True)]
        g = c // channels
        part = x[(..., c, *place)][..., None] * weight[(c, slice(None), *offset)]
        top[(..., slice(g * outputs, (g + 1) * outputs), *target)] += part
    cut = tuple(slice(p, n - p) for p, n in zip(pad, full, strict=True))
    return top[(..., *cut)] + bias.reshape(-1, *[1] * len(spatial))
