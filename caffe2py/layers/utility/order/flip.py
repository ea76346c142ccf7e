"""Flip: images mirrored."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, layer, overtaken, param, text
from caffe2py.layers.utility.order.reverse import backwards


@layer("Flip", fork="happynear")
class Flip(Layer):
    """x (N, C, H, W) with its columns backwards (flip_width), its rows (flip_height), or both.

    Source: flip_layer.cpp of happynear/caffe-windows.
    """

    width: bool = param("flip_param.flip_width", True)
    height: bool = param("flip_param.flip_height", False)

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if len(x) != 4:
            raise Misfit(f"has a bottom of shape {text(x)}; want 4 axes (num, channels, height, width)")
        return [x]

    def over(self, bottoms: Sequence[int]) -> None:
        if self.axes():
            overtaken(self, bottoms)

    def axes(self) -> list[int]:
        return [*([2] if self.height else []), *([3] if self.width else [])]

    def torch(self, em: Emitter, x: Term) -> str:
        return f"{x}.flip({', '.join(map(str, self.axes()))})" if self.axes() else str(x)

    def onnx(self, g: Builder, x: Handle) -> Handle:
        for at in self.axes():
            x = backwards(g, x, at)
        return x
