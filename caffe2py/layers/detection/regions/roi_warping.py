"""ROIWarping: values between the pixels of each region, in a grid of one size."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Shape, Term, count, layer, param
from caffe2py.layers.detection.regions.regions import bins, positive, regions, rounded


@layer("ROIWarping", bottoms=2, fork="MNC", formula=True)
class ROIWarping(Layer):
    """top[r, :, i, j] = the value of x at the first corner of bin (i, j) of region r.

    x (N, C, H, W), rois (R, 5): image, left, top, right, bottom, in pixels of the picture; top (R, C, pooled_h,
    pooled_w). A side goes from a = round(left * spatial_scale) to b = round(right * spatial_scale), and bin j of it
    begins at a + j (b - a) / pooled_w, or at a where b is before it. There the value is taken linearly between the four
    pixels around; beyond the edges it is the edge's, and by more than half a pixel 0. The gradient is that of x; MNC
    has one of the regions too. Source: roi_warping_layer.cu of MNC's Caffe, which has no code for the CPU; Dai et al.
    2015.
    """

    pooled_h: int = param("roi_warping_param.pooled_h", 0)
    pooled_w: int = param("roi_warping_param.pooled_w", 0)
    spatial_scale: float = param("roi_warping_param.spatial_scale", 1.0)

    def shapes(self, x: Shape, rois: Shape) -> Sequence[Shape]:
        bins(self.pooled_h, self.pooled_w)
        positive(self.spatial_scale)
        return [(regions(x, rois), x[1], self.pooled_h, self.pooled_w)]

    def torch(self, em: Emitter, x: Term, rois: Term) -> str:
        return em.call("roi_warp", x, rois, bins=(self.pooled_h, self.pooled_w), scale=self.spatial_scale)

    def onnx(self, g: Builder, x: Handle, rois: Handle) -> Handle:
        """RoiAlign takes one value from the middle of each bin: the region is moved by half a bin and half a pixel."""
        number = rois.shape[0]
        image, low, high = g.split(g.reshape(rois, (number, 5)), [1, 2, 2], 1)
        low, high = (rounded(g, g.op("Mul", corner, self.spatial_scale)) for corner in (low, high))
        size = g.op("Max", g.op("Sub", high, low), 0.0)
        bin_ = g.op("Div", size, g.constant([float(self.pooled_w), float(self.pooled_h)], "bins"))
        start = g.op("Sub", g.op("Add", low, 0.5), g.op("Mul", bin_, 0.5))
        boxes = g.concat([start, g.op("Add", start, size)], 1)
        sizes = {"output_height": self.pooled_h, "output_width": self.pooled_w, "sampling_ratio": 1}
        mode = {"coordinate_transformation_mode": "half_pixel"}
        images = g.reshape(g.cast(image, "int64"), (number,))
        values = g.op("RoiAlign", x, boxes, images, **sizes, **mode, shape=g.tops[0])
        for axis, bins_, pixels, shape in (
            (1, self.pooled_h, x.shape[2], (number, 1, self.pooled_h, 1)),
            (0, self.pooled_w, x.shape[3], (number, 1, 1, self.pooled_w)),
        ):
            first, step = (g.slice(v, 1, axis, axis + 1) for v in (low, bin_))
            at = g.op("Add", first, g.op("Mul", step, g.constant([float(i) for i in range(bins_)], "order")))
            inside = g.op("And", g.op("GreaterOrEqual", at, -0.5), g.op("LessOrEqual", at, float(pixels) - 0.5))
            values = g.op("Mul", values, g.reshape(g.cast(inside, "float"), shape))
        return values

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0]) * 4
