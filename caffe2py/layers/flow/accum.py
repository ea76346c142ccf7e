"""Accum: maps of several sizes as channels of one size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, count, layer, param, text
from caffe2py.layers.vision.resizing.interp import onnx_bilinear

T = TypeVar("T")


@layer("Accum", bottoms=(1, None), fork="FlowNet", formula=True)
class Accum(Layer):
    """The bottoms (N, C_i, H_i, W_i), resized bilinearly with their corners kept, one after another along the channels.

    The size is top_height and top_width; with have_reference that of the last bottom, which only tells it; else the
    largest height and width of all. From accum_layer.cpp of FlowNet 2; nobody ran it for a record.
    """

    top_height: int = param("accum_param.top_height", 0)
    top_width: int = param("accum_param.top_width", 0)
    size_divisible_by: int = param("accum_param.size_divisible_by", 0)
    have_reference: bool = param("accum_param.have_reference", False)

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        if any(len(x) != 4 or x[0] != bottoms[0][0] for x in bottoms):
            raise Misfit(f"has bottoms {', '.join(map(text, bottoms))}; want (N, C, H, W) with one N")
        if self.size_divisible_by > 1:
            raise Misfit(
                f"has size_divisible_by {self.size_divisible_by}, whose meaning is not known; want the size itself"
            )
        if self.have_reference and len(bottoms) < 2:
            raise Misfit("has one bottom, and a reference among them; want two at least")
        kept = self.kept(bottoms)
        if self.have_reference:
            size = bottoms[-1][2:]
        else:
            size = (self.top_height or max(x[2] for x in kept), self.top_width or max(x[3] for x in kept))
        return [(kept[0][0], sum(x[1] for x in kept), *size)]

    def kept(self, bottoms: Sequence[T]) -> Sequence[T]:
        """The bottoms without the reference."""
        return bottoms[:-1] if self.have_reference else bottoms

    def torch(self, em: Emitter, *bottoms: Term) -> str:
        size = tuple(em.tops[0][2:])
        parts = [f'F.interpolate({x}, {size}, mode="bilinear", align_corners=True)' for x in self.kept(bottoms)]
        return f"torch.cat([{', '.join(parts)}], 1)"

    def onnx(self, g: Builder, *bottoms: Handle) -> Handle:
        return g.concat([onnx_bilinear(g, x, (*x.shape[:2], *g.tops[0][2:])) for x in self.kept(bottoms)], 1)

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return 4 * count(tops[0])
