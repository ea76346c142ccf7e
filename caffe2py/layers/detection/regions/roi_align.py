"""ROIAlign: means of values between the pixels of each region, in a grid of one size."""

from __future__ import annotations

import math
from collections.abc import Sequence

from caffe2py.layers.base import (
    Builder,
    Emitter,
    Handle,
    Layer,
    Misfit,
    Params,
    Shape,
    Term,
    count,
    layer,
    param,
    read_fields,
)
from caffe2py.layers.detection.regions.regions import bins, padded, positive, regions

SAMPLES = 2  # a side of a bin


@layer("ROIAlign", bottoms=2, fork="MS-CNN", formula=True)
class ROIAlign(Layer):
    """top[r] = the mean of 2 x 2 values in each of pooled_h x pooled_w bins of region r.

    x (N, C, H, W), rois (R, 5): image, left, top, right, bottom, in pixels of the picture; top (R, C, pooled_h,
    pooled_w). A region is left * spatial_scale to right * spatial_scale, without rounding, and 1 at the least; each bin
    has its values at a quarter and three quarters of its sides, taken linearly between the four pixels around. Outside
    x by more than a pixel a value is 0, else that of the edge. The parameters stand in roi_align_param, or, as in other
    forks, in roi_pooling_param; pad_ratio makes a region larger on each side first, by so much of its size. The formula
    of He et al. 2017 (Mask R-CNN), with what all Caffe layers of this name have in common.
    """

    pooled_h: int = param("roi_align_param.pooled_h", 0)
    pooled_w: int = param("roi_align_param.pooled_w", 0)
    spatial_scale: float = param("roi_align_param.spatial_scale", 1.0)
    pad_ratio: float = param("roi_align_param.pad_ratio", 0.0)

    @classmethod
    def read(cls, params: Params) -> Layer:
        fields = read_fields(cls, params)
        for word in ("pooled_h", "pooled_w", "spatial_scale", "pad_ratio"):
            if params.has(f"roi_pooling_param.{word}"):
                fields[word] = params.get(f"roi_pooling_param.{word}")
        return cls(**fields)

    def shapes(self, x: Shape, rois: Shape) -> Sequence[Shape]:
        bins(self.pooled_h, self.pooled_w)
        positive(self.spatial_scale)
        if not math.isfinite(self.pad_ratio):
            raise Misfit(f"pad_ratio is {self.pad_ratio:g}; want a finite number")
        return [(regions(x, rois), x[1], self.pooled_h, self.pooled_w)]

    def torch(self, em: Emitter, x: Term, rois: Term) -> str:
        pad = {"pad_ratio": self.pad_ratio} if self.pad_ratio else {}
        words = {"bins": (self.pooled_h, self.pooled_w), "scale": self.spatial_scale, "samples": SAMPLES, **pad}
        return em.call("roi_align", x, rois, **words)

    def onnx(self, g: Builder, x: Handle, rois: Handle) -> Handle:
        number = rois.shape[0]
        image, boxes = g.split(padded(g, g.reshape(rois, (number, 5)), self.pad_ratio), [1, 4], 1)
        images = g.reshape(g.cast(image, "int64"), (number,))
        words = {"output_height": self.pooled_h, "output_width": self.pooled_w, "sampling_ratio": SAMPLES}
        later = {"coordinate_transformation_mode": "output_half_pixel"} if g.opset >= 16 else {}
        return g.op("RoiAlign", x, boxes, images, spatial_scale=self.spatial_scale, **words, **later, shape=g.tops[0])

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0]) * 4 * SAMPLES**2
