"""Upsample: larger images, by the places of a pooling's maxima (SegNet) or by repetition (YOLO)."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import (
    Builder,
    Emitter,
    Handle,
    Layer,
    Misfit,
    Several,
    Shape,
    Term,
    layer,
    meaning,
    optional,
    param,
    text,
)

SIZES = ("scale_h", "scale_w", "pad_out_h", "pad_out_w", "upsample_h", "upsample_w")


@meaning("Upsample", bottoms=2, fork="SegNet", words=tuple(f"upsample_param.{word}" for word in SIZES))
class Unpool(Layer):
    """Zeros, and each value of x where the mask says that it was: at row mask / W', column mask % W' of its map.

    x and mask (N, C, H, W), the mask being the second top of a MAX Pooling; of several values for one place the last
    is taken. The top has upsample_h rows, or H * scale_h less 1 with pad_out_h; columns likewise; `scale` is both.
    Source: upsample_layer.cpp of alexgkendall/caffe-segnet.
    """

    scale: int = param("upsample_param.scale", 2)
    scale_h: int | None = optional("upsample_param.scale_h")
    scale_w: int | None = optional("upsample_param.scale_w")
    pad_out_h: bool = param("upsample_param.pad_out_h", False)
    pad_out_w: bool = param("upsample_param.pad_out_w", False)
    upsample_h: int | None = optional("upsample_param.upsample_h")
    upsample_w: int | None = optional("upsample_param.upsample_w")

    def shapes(self, x: Shape, mask: Shape) -> Sequence[Shape]:
        if len(x) != 4 or mask != x:
            raise Misfit(f"has bottoms {text(x)} and {text(mask)}; want both (num, channels, height, width)")
        if (self.upsample_h is None) != (self.upsample_w is None):
            raise Misfit("gives one of upsample_h and upsample_w; want both, or none")
        if self.upsample_h is not None and self.upsample_w is not None:
            size = [self.upsample_h, self.upsample_w]
        else:
            scales = (self.scale_h or self.scale, self.scale_w or self.scale)
            padded = (self.pad_out_h, self.pad_out_w)
            size = [n * s - p for n, s, p in zip(x[2:], scales, padded, strict=True)]
        return [(*x[:2], *size)]

    def torch(self, em: Emitter, x: Term, mask: Term) -> str:
        return em.call("unpool", x, mask, size=tuple(em.tops[0][2:]))

    def onnx(self, g: Builder, x: Handle, mask: Handle) -> Handle:
        return onnx_unpool(g, x, mask)


@meaning("Upsample", fork="YOLO", formula=True)
class Repeat(Layer):
    """Each value of x (N, C, H, W) `scale` times in each direction.

    From upsample_layer.cpp of eric612/MobileNet-YOLO; nobody ran it for a record.
    """

    scale: int = param("upsample_param.scale", 1)

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if len(x) != 4 or self.scale < 1:
            raise Misfit(f"has a bottom of shape {text(x)} and scale {self.scale}; want 4 axes, and at least 1")
        return [(*x[:2], x[2] * self.scale, x[3] * self.scale)]

    def torch(self, em: Emitter, x: Term) -> str:
        return f"F.interpolate({x}, scale_factor={self.scale})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        g.need(13, "Resize without a region")
        words = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        scales = g.constant([1.0, 1.0, float(self.scale), float(self.scale)], "scales")
        return g.op("Resize", x, None, scales, shape=g.tops[0], **words)


@layer("Upsample", bottoms=(1, 2))
class Upsample(Several):
    """Images made larger: SegNet's by a mask (two bottoms), YOLO's by repetition (one)."""

    meanings = (Unpool, Repeat)


def onnx_unpool(g: Builder, x: Handle, mask: Handle) -> Handle:
    """Zeros in the shape of the top (N, C, H', W'), with the values of x at the places that the mask counts."""
    batch, channels, height, width = x.shape
    flat = (batch, channels, height * width)
    rows, columns = g.tops[0][2:]
    zeros = g.full((batch, channels, rows * columns), 0.0)
    values, places = g.reshape(x, flat), g.cast(g.reshape(mask, flat), "int64")
    return g.reshape(g.op("ScatterElements", zeros, places, values, axis=2, shape=zeros.shape), g.tops[0])
