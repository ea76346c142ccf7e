"""What the layers that pool regions of interest share."""

from __future__ import annotations

import math

from caffe2py.layers.base import Builder, Handle, Misfit, Shape, count, text


def regions(x: Shape, rois: Shape) -> int:
    """How many regions (image, left, top, right, bottom) there are; `Misfit` where the bottoms are of other shapes."""
    if len(x) != 4:
        raise Misfit(f"has a bottom of shape {text(x)}; want 4 axes (num, channels, height, width)")
    if not rois or count(rois, 1) != 5:
        raise Misfit(f"has regions of shape {text(rois)}; want (R, 5): image, left, top, right, bottom")
    return rois[0]


def positive(scale: float) -> float:
    """The spatial_scale of regions; `Misfit` unless it is above 0, and finite."""
    if not (scale > 0 and math.isfinite(scale)):
        raise Misfit(f"spatial_scale is {scale:g}; want it above 0, and finite")
    return scale


def bins(*sizes: int) -> None:
    """`Misfit` unless a region is cut into one bin at least."""
    if min(sizes) < 1:
        raise Misfit(f"cuts regions into {' x '.join(map(str, sizes))} bins; want 1 at least")


def padded(g: Builder, rois: Handle, ratio: float) -> Handle:
    """Regions (R, 5), larger on each side by `ratio` times their size."""
    if not ratio:
        return rois
    image, low, high = g.split(rois, [1, 2, 2], 1)
    pad = g.op("Mul", g.op("Add", g.op("Sub", high, low), 1.0), ratio)
    return g.concat([image, g.op("Sub", low, pad), g.op("Add", high, pad)], 1)


def rounded(g: Builder, x: Handle) -> Handle:
    """To whole numbers; a half goes away from 0, as C rounds."""
    away = g.op("Add", g.op("Abs", x), 0.5)
    return g.op("Mul", g.op("Sign", x), g.op("Floor", away))
