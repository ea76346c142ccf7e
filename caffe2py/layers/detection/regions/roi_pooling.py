"""ROIPooling: the largest values of each region, in a grid of one size."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Shape, Term, layer, param
from caffe2py.layers.detection.regions.regions import bins, padded, positive, regions


@layer("ROIPooling", bottoms=2, fork="Fast R-CNN")
class ROIPooling(Layer):
    """top[r] = the largest value of each of pooled_h x pooled_w bins of region r, 0 in a bin without a pixel.

    x (N, C, H, W), rois (R, 5): image, left, top, right, bottom, in pixels of the picture; top (R, C, pooled_h,
    pooled_w). A side goes from round(left * spatial_scale) to round(right * spatial_scale), both in it, one pixel at
    the least; bin p of a side of n pixels is floor(p * n / pooled) to before ceil((p + 1) * n / pooled), as far as it
    lies in x. MS-CNN's pad_ratio makes a region larger on each side first, by so much of its size (the formula alone).
    Source: roi_pooling_layer.cpp of Fast R-CNN; Girshick 2015.
    """

    stepwise = True
    pooled_h: int = param("roi_pooling_param.pooled_h", 0)
    pooled_w: int = param("roi_pooling_param.pooled_w", 0)
    spatial_scale: float = param("roi_pooling_param.spatial_scale", 1.0)
    pad_ratio: float = param("roi_pooling_param.pad_ratio", 0.0)

    def shapes(self, x: Shape, rois: Shape) -> Sequence[Shape]:
        bins(self.pooled_h, self.pooled_w)
        return [(regions(x, rois), x[1], self.pooled_h, self.pooled_w)]

    def torch(self, em: Emitter, x: Term, rois: Term) -> str:
        pad = {"pad_ratio": self.pad_ratio} if self.pad_ratio else {}
        bins = (self.pooled_h, self.pooled_w)
        return em.call("roi_max_pool", x, rois, bins=bins, scale=self.spatial_scale, **pad)

    def onnx(self, g: Builder, x: Handle, rois: Handle) -> Handle:
        rois = padded(g, g.reshape(rois, (rois.shape[0], 5)), self.pad_ratio)
        words = {"pooled_shape": (self.pooled_h, self.pooled_w), "spatial_scale": positive(self.spatial_scale)}
        return g.op("MaxRoiPool", x, rois, **words, shape=g.tops[0])
