"""PSROIPooling: the mean of each bin of a region, each bin from channels of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, layer, param, text
from caffe2py.layers.detection.regions.regions import bins, positive, regions, rounded

CELLS = "jbdihr,rihb->rdij"  # of what the columns of bins hold, that of their rows, of the region's own image


@layer("PSROIPooling", bottoms=2, fork="R-FCN", formula=True)
class PSROIPooling(Layer):
    """top[r, d, i, j] = the mean of bin (i, j) of region r in channel (d * group_size + i) * group_size + j of x.

    x (N, output_dim * group_size^2, H, W), rois (R, 5): image, left, top, right, bottom, in pixels of the picture; top
    (R, output_dim, group_size, group_size). A side goes from round(left) * spatial_scale to (round(right) + 1) *
    spatial_scale, 0.1 at the least; bin p of a side of length n is floor(start + p * n / group_size) to before
    ceil(start + (p + 1) * n / group_size), as far as it lies in x, and 0 where it has no pixel.
    Source: psroi_pooling_layer.cu of daijifeng001/caffe-rfcn, which has no code for the CPU; Dai et al. 2016.
    """

    spatial_scale: float = param("psroi_pooling_param.spatial_scale", 0.0)
    output_dim: int = param("psroi_pooling_param.output_dim", 0)
    group_size: int = param("psroi_pooling_param.group_size", 0)

    def shapes(self, x: Shape, rois: Shape) -> Sequence[Shape]:
        number = regions(x, rois)
        bins(self.group_size)
        positive(self.spatial_scale)
        if x[1] != self.output_dim * self.group_size**2:
            raise Misfit(f"has a bottom of shape {text(x)}; want {self.output_dim} * {self.group_size}^2 channels")
        return [(number, self.output_dim, self.group_size, self.group_size)]

    def torch(self, em: Emitter, x: Term, rois: Term) -> str:
        return em.call("ps_roi_pool", x, rois, bins=self.group_size, scale=self.spatial_scale)

    def onnx(self, g: Builder, x: Handle, rois: Handle) -> Handle:
        image, *sides = g.split(g.reshape(rois, (rois.shape[0], 5)), [1] * 5, 1)
        columns, wide = self._inside(g, sides[0], sides[2], x.shape[3])
        rows, high = self._inside(g, sides[1], sides[3], x.shape[2])
        order = g.op("Range", g.constant(0, "first"), g.squeeze(g.shape([x.shape[0]]), [0]), g.constant(1, "step"))
        order = Handle(order, (x.shape[0],))
        own = g.cast(g.op("Equal", g.cast(image, "int64"), order), "float")  # (R, N)
        rows = g.op("Mul", g.unsqueeze(rows, [3]), g.unsqueeze(own, [1, 2]))
        total = g.op("Einsum", self._columns(g, x, columns, rois.shape[0]), rows, equation=CELLS)
        area = g.op("Mul", g.unsqueeze(high, [1, 3]), g.unsqueeze(wide, [1, 2]))
        return g.op("Div", total, g.op("Max", area, 1.0), shape=g.tops[0])

    def _columns(self, g: Builder, x: Handle, columns: Handle, number: Any) -> Handle:
        """The sums of x over the pixels of each column of bins (group_size, N, output_dim, group_size, H, R).

        By a MatMul: onnxruntime's Einsum ends the process where there is no region.
        """
        n, _, high, wide = x.shape
        parts = g.reshape(x, (n, self.output_dim, self.group_size, self.group_size, high, wide))
        lines = (self.group_size, n * (self.output_dim * self.group_size * high), wide)
        lined = g.reshape(g.transpose(parts, (3, 0, 1, 2, 4, 5)), lines)
        sums = g.op("MatMul", lined, g.transpose(columns, (1, 2, 0)), shape=(*lines[:2], number))
        return g.reshape(sums, (self.group_size, n, self.output_dim, self.group_size, high, number))

    def _inside(self, g: Builder, low: Handle, high: Handle, size: int) -> tuple[Handle, Handle]:
        """Which of `size` pixels are in each bin (R, bins, size), and how many are (R, bins)."""
        import numpy as np

        start = g.op("Mul", rounded(g, low), self.spatial_scale)
        end = g.op("Mul", g.op("Add", rounded(g, high), 1.0), self.spatial_scale)
        each = g.op("Div", g.op("Max", g.op("Sub", end, start), 0.1), float(self.group_size))
        edges = []
        for word, at in (("Floor", 0), ("Ceil", 1)):
            place = g.constant(np.arange(at, at + self.group_size, dtype=np.float32), "bins")
            edges.append(g.op("Clip", g.op(word, g.op("Add", g.op("Mul", each, place), start)), 0.0, float(size)))
        pixel = g.constant(np.arange(size, dtype=np.float32), "pixels")
        first, last = (g.unsqueeze(edge, [2]) for edge in edges)
        inside = g.op("And", g.op("GreaterOrEqual", pixel, first), g.op("Less", pixel, last))
        return g.cast(inside, "float"), g.op("Max", g.op("Sub", edges[1], edges[0]), 0.0)

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return bottoms[0][2] * bottoms[0][3] * bottoms[1][0] * self.output_dim
