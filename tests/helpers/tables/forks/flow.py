"""FlowNet's layers, place by place as its kernels walk."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tests.helpers.tables.forks.formula import Formula, some
from tests.helpers.tables.layers import Array

SINGLE = 2e-6  # the weights are kept in float32


def correlations() -> list[Formula]:
    found = []
    a, b = some(2, 3, 7, 6), some(2, 3, 7, 6)
    for pad, kernel, reach, s1, s2, kind in [
        (2, 1, 2, 1, 1, "MULTIPLY"),
        (3, 3, 2, 1, 2, "MULTIPLY"),
        (4, 1, 3, 2, 2, "SUBTRACT"),
        (2, 3, 1, 3, 1, "SUBTRACT"),
        (1, 1, 0, 1, 1, "MULTIPLY"),
    ]:
        words = f"pad: {pad} kernel_size: {kernel} max_displacement: {reach} stride_1: {s1} stride_2: {s2}"
        params = f"correlation_param {{ {words} correlation_type: {kind} }}"
        found.append(Formula("Correlation", params, [a, b], [correlated(a, b, pad, kernel, reach, s1, s2, kind)]))
    return found


def correlated(a: Array, b: Array, pad: int, kernel: int, reach: int, s1: int, s2: int, kind: str) -> Array:
    a, b = (np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)]) for x in (a, b))
    border = reach + (kernel - 1) // 2
    high, wide = (math.ceil((n - 2 * border) / s1) for n in a.shape[2:])
    r = reach // s2
    across = 2 * r + 1
    top = np.zeros((a.shape[0], across**2, high, wide))
    for n, c, y, x in np.ndindex(*top.shape):
        total = 0.0
        y1, x1 = y * s1 + reach, x * s1 + reach
        y2, x2 = y1 + (c // across - r) * s2, x1 + (c % across - r) * s2
        for j, i in np.ndindex(kernel, kernel):
            first, second = a[n, :, y1 + j, x1 + i], b[n, :, y2 + j, x2 + i]
            total += (np.abs(first - second) if kind == "SUBTRACT" else first * second).sum()
        top[n, c, y, x] = total / (kernel**2 * a.shape[1])
    return top


def warps() -> list[Formula]:
    image, flow = some(2, 3, 4, 5), some(2, 2, 4, 5, low=-3, high=3)
    flow[0, :, 0, 0], flow[0, :, 1, 1], flow[1, :, 3, 4], flow[1, :, 2, 0] = 0, [0.5, 0], [0.25, 0.5], [-0.5, 0]
    found = []
    for fill, value in (("ZERO", 0.0), ("NOT_A_NUMBER", np.nan)):
        top = np.full(image.shape, value)
        for n, y, x in np.ndindex(2, 4, 5):
            px, py = x + flow[n, 0, y, x], y + flow[n, 1, y, x]
            if 0 <= px < 5 and 0 <= py < 4:
                left, above = int(px), int(py)
                right, below = min(left + 1, 4), min(above + 1, 3)
                u, v = px - left, py - above
                upper = (1 - u) * image[n, :, above, left] + u * image[n, :, above, right]
                lower = (1 - u) * image[n, :, below, left] + u * image[n, :, below, right]
                top[n, :, y, x] = (1 - v) * upper + v * lower
        params = f"flow_warp_param {{ fill_value: {fill} }}" if fill != "ZERO" else ""
        found.append(Formula("FlowWarp", params, [image, flow], [top]))
    return found


def away(x: float) -> int:
    """Rounded, halves away from 0."""
    return int(x + math.copysign(0.5, x))


def triangle(x: float) -> float:
    return max(0.0, 1 - abs(x))


def bicubic(x: float) -> float:
    x = abs(x)
    if x <= 1:
        return x * x * (1.5 * x - 2.5) + 1
    return x * (x * (-0.5 * x + 2.5) - 4) + 2 if x < 2 else 0.0


def resamplings() -> list[Formula]:
    x = some(1, 2, 6, 8)
    found = []
    for kind, size, antialias in [
        ("LINEAR", (3, 4), True),
        ("LINEAR", (3, 4), False),
        ("LINEAR", (12, 16), True),
        ("LINEAR", (4, 16), True),
        ("CUBIC", (3, 5), True),
        ("CUBIC", (9, 12), True),
        ("CUBIC", (12, 5), False),
        ("NEAREST", (12, 16), True),
        ("NEAREST", (3, 5), True),
        ("LINEAR", (6, 8), True),
    ]:
        words = f"height: {size[0]} width: {size[1]} type: {kind} antialias: {str(antialias).lower()}"
        top = resampled(x, size, kind, antialias)
        found.append(Formula("Resample", f"resample_param {{ {words} }}", [x], [top], bar=SINGLE))
    twice, like = resampled(x, (12, 16), "LINEAR", True), resampled(x, (5, 4), "LINEAR", True)
    found.append(Formula("Resample", "resample_param { factor: 2 }", [x], [twice], bar=SINGLE))
    found.append(Formula("Resample", "", [x, some(1, 3, 5, 4)], [like], bar=SINGLE))
    return found


def resampled(x: Array, size: tuple[int, int], kind: str, antialias: bool) -> Array:
    high, wide = x.shape[2:]
    fy, fx = high / size[0], wide / size[1]
    antialias = antialias and max(fx, fy) > 1
    weigh: Callable[[float], float] = bicubic if kind == "CUBIC" else triangle
    width = 4 if kind == "CUBIC" else 2
    ax, ay = (1 / (f if antialias else 1.0) for f in (fx, fy))
    rx, ry = (2 if f < 1 else math.ceil(width / a) for f, a in ((fx, ax), (fy, ay)))
    top = np.zeros((*x.shape[:2], *size))
    for yo, xo in np.ndindex(*size):
        xi, yi = xo * fx + fy / 2 - 0.5, yo * fy + fx / 2 - 0.5
        if kind == "NEAREST":
            row, column = (min(max(away(v), 0), n - 1) for v, n in ((yi, high), (xi, wide)))
            top[:, :, yo, xo] = x[:, :, row, column]
            continue
        total, weight = np.zeros(x.shape[:2]), 0.0
        for row in range(away(yi) - ry, away(yi) + ry + 1):
            for column in range(away(xi) - rx, away(xi) + rx + 1):
                if 0 <= row < high and 0 <= column < wide:
                    w = weigh(ax * (xi - column)) * weigh(ay * (yi - row))
                    total += w * x[:, :, row, column]
                    weight += w
        top[:, :, yo, xo] = total / weight if weight else 0.0
    return top


def downsamplings() -> list[Formula]:
    x = some(1, 2, 7, 9)
    x[0, 0, 0, 0] = x[0, 1, 3, 4] = np.nan
    x[0, 0, 3:, 6:] = np.nan
    found = []
    for size in ((3, 4), (7, 9), (2, 9)):
        top = np.zeros((1, 2, *size))
        sy, sx = (6 / (size[0] - 1), 8 / (size[1] - 1))
        for c, yo, xo in np.ndindex(2, *size):
            total = weight = none = 0.0
            for row, column in np.ndindex(7, 9):
                w = triangle((row - yo * sy) / sy) * triangle((column - xo * sx) / sx)
                value = x[0, c, row, column]
                if np.isnan(value):
                    none += w
                else:
                    total, weight = total + w * value, weight + w
            top[0, c, yo, xo] = np.nan if none > 0.5 * weight else total / weight
        params = f"downsample_param {{ top_height: {size[0]} top_width: {size[1]} }}"
        found.append(Formula("Downsample", params, [x], [top], bar=SINGLE))
    found.append(Formula("Downsample", "", [x, some(1, 1, 2, 9)], [top], bar=SINGLE))
    return found


def corners(x: Array, size: tuple[int, int]) -> Array:
    """Bilinear resizing by which corners stay corners."""
    top = np.zeros((*x.shape[:2], *size))
    for yo, xo in np.ndindex(*size):
        yi, xi = (i * (n - 1) / (m - 1) if m > 1 else 0.0 for i, n, m in zip((yo, xo), x.shape[2:], size, strict=True))
        for row, column in np.ndindex(*x.shape[2:]):
            top[:, :, yo, xo] += triangle(yi - row) * triangle(xi - column) * x[:, :, row, column]
    return top


def sums() -> list[Formula]:
    a, b = some(1, 2, 3, 4), some(1, 3, 5, 2)
    x, each = some(2, 3, 4, 5), np.array([0.5, -1.0, 2.0])[:, None, None]
    pixels, channels = some(1, 3, 4, 5), some(1, 3, 1, 1)
    blobs = [np.array([100.0]), pixels, channels]

    def both(size: tuple[int, int]) -> Array:
        return np.concatenate([corners(a, size), corners(b, size)], 1)

    def mean(words: str, top: Array) -> Formula:
        return Formula("Mean", f"mean_param {{ {words} }}", [x], [top])

    def less(words: str, top: Array, stored: bool = True) -> Formula:
        return Formula("DataAugmentation", f"augmentation_param {{ {words} }}", [x], [top], blobs if stored else [])

    return [
        Formula("Accum", "accum_param { top_height: 6 top_width: 7 }", [a, b], [both((6, 7))]),
        Formula("Accum", "", [a, b], [both((5, 4))]),
        Formula("Accum", "accum_param { have_reference: true }", [a, b], [corners(a, (5, 2))]),
        Formula("ChannelNorm", "", [x], [np.sqrt((x**2).sum(1, keepdims=True))]),
        mean("operation: SUBTRACT value: 0.25 input_scale: 2", 2 * x - 0.25),
        mean("operation: ADD value: [0.5, -1, 2] mean_scale: 3 output_scale: 0.5", 0.5 * (x + 3 * each)),
        less('recompute_mean: 1000 mean_per_pixel: false translate { rand_type: "uniform" }', x - channels),
        less("recompute_mean: 1000 crop_width: 5 crop_height: 4", x - pixels),
        less("mean: 0.5 mean: -1 mean: 2 mean_per_pixel: false", x - each, stored=False),
        less("", x, stored=False),
    ]


def l1_losses() -> list[Formula]:
    a, b = some(2, 3, 4, 5), some(2, 3, 4, 5)
    b[0, 1, 2, 3] = b[1, :, 0, 0] = np.nan
    found = []
    for words, second in [
        ("", True),
        ("", False),
        ("plateau: 0.75", True),
        ("normalize_by_num_entries: true plateau: 0.5", True),
        ("l2_per_location: true", True),
        ("l2_per_location: true l2_prescale_by_channels: true epsilon: 0.25 plateau: 1.5", True),
        ("l2_per_location: true normalize_by_num_entries: true plateau: 2.5", True),
    ]:
        said = dict(zip(words.split()[::2], words.split()[1::2], strict=True))
        plateau, epsilon = float(said.get("plateau:", 0)), float(said.get("epsilon:", np.float32(0.01)))
        d = a - b if second else a
        total = 0.0
        for n, h, w in np.ndindex(2, 4, 5):
            vector = [0.0 if np.isnan(v) else v for v in d[n, :, h, w]]
            if "l2_per_location:" in said:
                square = sum(v * v for v in vector) / (3 if "l2_prescale_by_channels:" in said else 1)
                total += math.sqrt((0 if square < plateau**2 else square) + epsilon)
            else:
                total += sum(abs(v) for v in vector if abs(v) >= plateau)
        entries = (~np.isnan(d)).sum() / 3 if "normalize_by_num_entries:" in said else 2
        bottoms = [a, b] if second else [a]
        found.append(Formula("L1Loss", f"l1_loss_param {{ {words} }}", bottoms, [np.array(total / entries)]))
    return found


FLOW = [*l1_losses(), *correlations(), *warps(), *resamplings(), *downsamplings(), *sums()]
