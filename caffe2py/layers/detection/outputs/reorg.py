"""Reorg: pixels to channels, in darknet's order."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, layer, overtaken, param, text


@layer("Reorg", fork="MobileNet-YOLO")
class Reorg(Layer):
    """top = x with stride x stride pixels as channels, (N, C * stride^2, H / stride, W / stride), in darknet's order.

    x is taken for (C / stride^2, H * stride, W * stride), whose pixel (h * stride + a, w * stride + b) of channel c
    becomes number (a * stride + b) * C / stride^2 + c at (h, w) of (C, H, W), which is then taken for the top's shape.
    With reverse, x (N, C, H, W) becomes (N, C / stride^2, H * stride, W * stride) the other way round. Source:
    reorg_layer.cpp of eric612/MobileNet-YOLO; Redmon and Farhadi 2016.
    """

    stride: int = param("reorg_param.stride", 1)
    reverse: bool = param("reorg_param.reverse", False)

    def shapes(self, x: Shape) -> Sequence[Shape]:
        s = self.stride
        if len(x) != 4 or s < 1 or x[1] % s**2:
            raise Misfit(f"has a bottom of shape {text(x)}; want (N, C, H, W), and C a multiple of stride^2 ({s**2})")
        if self.reverse:
            return [(x[0], x[1] // s**2, x[2] * s, x[3] * s)]
        if x[2] % s or x[3] % s:
            raise Misfit(f"has a bottom of shape {text(x)}; want height and width to be multiples of stride {s}")
        return [(x[0], x[1] * s**2, x[2] // s, x[3] // s)]

    def over(self, bottoms: Sequence[int]) -> None:
        if self.stride > 1:
            overtaken(self, bottoms)

    def torch(self, em: Emitter, x: Term) -> str:
        return em.call("reorg", x, stride=self.stride, **({"reverse": True} if self.reverse else {}))

    def onnx(self, g: Builder, x: Handle) -> Handle:
        s, (n, c, h, w) = self.stride, x.shape
        if self.reverse:
            apart = g.reshape(x, (n, s, s, c // s**2, h, w))
            return g.reshape(g.transpose(apart, (0, 3, 4, 1, 5, 2)), g.tops[0])
        apart = g.reshape(x, (n, c // s**2, h, s, w, s))
        return g.reshape(g.transpose(apart, (0, 3, 5, 1, 2, 4)), g.tops[0])
