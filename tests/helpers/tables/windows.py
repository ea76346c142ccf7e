"""Layers that look at a neighbourhood: Caffe's rules (its layer sources) once more, in numpy, place by place."""

from __future__ import annotations

import itertools
import math

import numpy as np

from tests.helpers.tables import detection, regions
from tests.helpers.tables.layers import Array, Table, arg_max, diff, neurons, powers, reductions, selections, values


def lrn() -> list[Table]:
    x = values(2, 5, 4, 6)
    found = []
    for size, alpha, beta, k in [
        (1, 2, 0.75, 1),
        (3, 1, 0.75, 1),
        (5, 0.5, 1.5, 3),
        (7, 1, 0.5, 0.25),
        (11, 3, 0.25, 2),
    ]:
        total = np.zeros_like(x)
        for c in range(5):
            near = x[:, max(c - size // 2, 0) : c + size // 2 + 1]
            total[:, c] = (near**2).sum(1)
        y = x * (k + alpha / size * total) ** -beta
        params = f"lrn_param {{ local_size: {size} alpha: {alpha} beta: {beta} k: {k} }}"
        found.append(Table(params, "LRN", params, [x], [y]))
        total = np.zeros_like(x)
        half = size // 2
        for h, w in itertools.product(range(4), range(6)):
            near = x[:, :, max(h - half, 0) : h + half + 1, max(w - half, 0) : w + half + 1]
            total[:, :, h, w] = (near**2).sum((2, 3))
        y = x * (1 + alpha / size**2 * total) ** -beta  # k is not read
        params = f"lrn_param {{ local_size: {size} alpha: {alpha} beta: {beta} k: {k} norm_region: WITHIN_CHANNEL }}"
        found.append(Table(params, "LRN", params, [x], [y]))
    return found


def mvn() -> list[Table]:
    found = []
    for shape, across, normalize, eps in itertools.product(
        [(2, 3, 4, 5), (2, 3, 5), (2, 7), (6,), ()], [False, True], [True, False], [1e-9, 0.25]
    ):
        x = values(*shape)
        axes = tuple(range(1 if across else 2, len(shape)))
        n = math.prod(shape[a] for a in axes)

        def mean(v: Array, axes: tuple[int, ...] = axes) -> Array:
            return v.mean(axes, keepdims=True) if axes else v

        divisor = np.sqrt(mean((x - mean(x)) ** 2)) + eps if normalize else 1.0
        y = (x - mean(x)) / divisor
        d = diff(y)  # numbers in order, whatever the shape
        dx = (d - mean(d) - (y * mean(y * d) if normalize else 0)) / divisor if n > 1 else np.zeros_like(x)
        words = [f"across_channels: {across}".lower(), f"normalize_variance: {normalize}".lower(), f"eps: {eps}"]
        params = f"mvn_param {{ {' '.join(words)} }}"
        top = y.reshape(*shape, *[1] * (4 - len(shape)))
        found.append(Table(f"{len(shape)} axes {params}", "MVN", params, [x], [top], [dx]))
    flat = np.full((2, 3, 4, 1), 1.5)
    found.append(Table("all the same", "MVN", "mvn_param { eps: 0.5 }", [flat], [flat * 0]))
    return found


def windows() -> list[Table]:
    found = []
    for params, shape in {
        "kernel_size: 2 stride: 2": (2, 3, 7),
        "kernel_size: 3 pad: 1": (2, 3, 4, 5, 3),
        "kernel_h: 2 kernel_w: 3 stride_h: 1 stride_w: 2 pad_h: 1 pad_w: 0": (1, 2, 5, 7),
        "kernel_size: 2 dilation: 3 axis: 2": (2, 3, 2, 6, 5),
        "kernel_size: 2 axis: 0": (3, 4, 5),
        "kernel_size: 2 kernel_size: 1 stride: 1 stride: 3": (2, 2, 4, 7),
    }.items():
        x = values(*shape)
        found.append(Table(params, "Im2col", f"convolution_param {{ {params} }}", [x], [_patches(x, params)]))

    image = values(2, 3, 9, 11)
    for pool, height in itertools.product(["MAX", "AVE"], [1, 2, 3]):
        params = f"spp_param {{ pool: {pool} pyramid_height: {height} }}"
        levels = [_pyramid_level(image, 2**i, pool) for i in range(height)]
        top = levels[0] if height == 1 else np.concatenate([y.reshape(2, -1) for y in levels], 1)
        found.append(Table(params, "SPP", params, [image], [top]))
    return found


def pairs(params: str) -> list[tuple[str, int]]:
    words = params.replace(":", "").split()
    return [(words[i], int(words[i + 1])) for i in range(0, len(words), 2)]


def window(x: Array, params: str) -> tuple[int, list[int], list[int], list[int], list[int]]:
    """The channel axis, and kernel, stride, pad and dilation by spatial axis."""
    at = dict(pairs(params)).get("axis", 1)
    axes = x.ndim - at - 1

    def each(name: str, default: int) -> list[int]:
        found = [v for k, v in pairs(params) if k in (name, f"{name}_size", f"{name}_h", f"{name}_w")] or [default]
        return found * axes if len(found) == 1 else found

    return at, each("kernel", 0), each("stride", 1), each("pad", 0), each("dilation", 1)


def _patches(x: Array, params: str) -> Array:
    """Patch by patch, as im2col.cpp walks."""
    at, kernel, stride, pad, dilation = window(x, params)
    spatial = x.shape[at + 1 :]
    sized = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(spatial, kernel, stride, pad, dilation, strict=True)
    ]
    channels = list(itertools.product(range(x.shape[at]), *map(range, kernel)))
    top = np.zeros((*x.shape[:at], len(channels), *sized))
    for (i, (c, *offset)), place in itertools.product(enumerate(channels), itertools.product(*map(range, sized))):
        source = [o * s - p + k * d for o, s, p, k, d in zip(place, stride, pad, offset, dilation, strict=True)]
        if all(0 <= v < n for v, n in zip(source, spatial, strict=True)):
            top[(..., i, *place)] = x[(..., c, *source)]
    return top


def _pyramid_level(x: Array, bins: int, pool: str) -> Array:
    kernel = [math.ceil(n / bins) for n in x.shape[2:]]
    pad = [(k * bins - n + 1) // 2 for k, n in zip(kernel, x.shape[2:], strict=True)]
    top = np.zeros((*x.shape[:2], bins, bins))
    for h, w in itertools.product(range(bins), repeat=2):
        starts = [i * k - q for i, k, q in zip((h, w), kernel, pad, strict=True)]
        ends = [min(i + k, n + q) for i, k, n, q in zip(starts, kernel, x.shape[2:], pad, strict=True)]
        part = x[:, :, max(starts[0], 0) : ends[0], max(starts[1], 0) : ends[1]]
        area = (ends[0] - starts[0]) * (ends[1] - starts[1])
        top[:, :, h, w] = part.max((2, 3)) if pool == "MAX" else part.sum((2, 3)) / area
    return top


# Of all layers without weights, those of `layers` too.
TABLES = [
    *neurons(),
    *powers(),
    *arg_max(),
    *reductions(),
    *selections(),
    *lrn(),
    *mvn(),
    *windows(),
    *detection.TABLES,
    *regions.TABLES,
]
