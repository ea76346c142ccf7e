"""MaskPooling: features where a mask is."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, count, layer, text


@layer("MaskPooling", bottoms=2, fork="MNC", formula=True)
class MaskPooling(Layer):
    """top = x * mask, the mask the same for all channels. x (R, C, H, W), mask (R, 1, H, W).

    Source: mask_pooling_layer.cu of MNC's Caffe, which has no code for the CPU; Dai et al. 2015.
    """

    def shapes(self, x: Shape, mask: Shape) -> Sequence[Shape]:
        if len(x) != 4 or mask != (x[0], 1, *x[2:]):
            raise Misfit(f"has a mask of shape {text(mask)} for a bottom of shape {text(x)}; want (R, 1, H, W) for it")
        return [x]

    def torch(self, em: Emitter, x: Term, mask: Term) -> str:
        return f"{x} * {mask}"

    def onnx(self, g: Builder, x: Handle, mask: Handle) -> Handle:
        return g.op("Mul", x, mask)

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0])
