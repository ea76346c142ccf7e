"""Softmax over one axis."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Shape, Term, axis, layer, param


@layer("Softmax")
class Softmax(Layer):
    """top = exp(x - max x) / sum exp(x - max x) over `axis`. Source: softmax_layer.cpp."""

    reads_back = "y"
    axis: int = param("softmax_param.axis")

    def shapes(self, x: Shape) -> Sequence[Shape]:
        axis(self.axis, x)
        return [x]

    def torch(self, em: Emitter, x: Term) -> str:
        return f"torch.softmax({x}, {self.axis})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        return g.softmax(x, axis(self.axis, x.shape))
