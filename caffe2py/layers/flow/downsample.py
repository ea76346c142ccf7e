"""Downsample: a flow in a smaller size, in which some values may be none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, count, layer, param, text
from caffe2py.layers.flow.filtering import onnx_filtered, triangle, weights


@layer("Downsample", bottoms=(1, 2), fork="FlowNet", formula=True)
class Downsample(Layer):
    """The mean of the values around each place, weighed by a triangle; of values that are NaN the others count.

    x (N, C, H, W) in the size of a second bottom, or in top_height and top_width, from which corners stay corners: row
    y lies at y (H - 1) / (H' - 1), and the triangle reaches as far on both sides. Where more than half of the weight of
    the numbers is that of NaN, the top is NaN. From downsample_layer.cu of FlowNet 2, which runs on a GPU alone.
    """

    top_height: int = param("downsample_param.top_height", 0)
    top_width: int = param("downsample_param.top_width", 0)

    def shapes(self, x: Shape, *like: Shape) -> Sequence[Shape]:
        if any(len(s) != 4 for s in (x, *like)):
            raise Misfit(f"has a bottom of shape {text(x)}; want 4 axes (num, channels, height, width)")
        size = like[0][2:] if like else (self.top_height, self.top_width)
        if any(not 1 < m <= n for n, m in zip(x[2:], size, strict=True)):
            raise Misfit(
                f"makes {text(size)} of {text(x[2:])}; want two rows and columns at least, and no more than before"
            )
        return [(*x[:2], *size)]

    def matrices(self, x: Shape, top: Shape) -> tuple[Any, Any]:
        """Weights for the rows and for the columns; they do not add up to 1."""
        found = []
        for size, made in zip(x[2:], top[2:], strict=True):
            step = (size - 1) / (made - 1)
            places = [i * step for i in range(made)]
            found.append(weights(places, size, math.ceil(step), lambda d, s=step: triangle(d / s)).astype("float32"))
        return found[0], found[1]

    def torch(self, em: Emitter, x: Term, *like: Term) -> str:
        rows, columns = self.matrices(x.shape, em.tops[0])
        left = em.buffer("rows", rows.shape, lambda blobs: rows)
        right = em.buffer("columns", columns.shape, lambda blobs: columns)
        return em.call("mean_of_numbers", x, left, right)

    def onnx(self, g: Builder, x: Handle, *like: Handle) -> Handle:
        matrices = self.matrices(x.shape, g.tops[0])
        none = g.op("IsNaN", x)
        total = onnx_filtered(g, g.op("Where", none, 0.0, x), *matrices)
        missing = g.cast(none, "float")
        counted = onnx_filtered(g, g.op("Sub", 1.0, missing), *matrices)
        lost = onnx_filtered(g, missing, *matrices)
        few = g.op("Greater", lost, g.op("Mul", counted, 0.5))
        return g.op("Where", few, math.nan, g.op("Div", total, counted))

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(bottoms[0])
