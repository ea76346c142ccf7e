"""Softmax over one axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe2py.layers.base import Layer, Shape, axis, layer, param


@layer("Softmax")
class Softmax(Layer):
    """top = exp(x - max x) / sum exp(x - max x) over `axis`. Source: softmax_layer.cpp."""

    axis: int = param("softmax_param.axis")

    def shapes(self, x: Shape) -> Sequence[Shape]:
        axis(self.axis, x)
        return [x]

    def torch(self, em: Any, x: Any) -> str:
        return f"torch.softmax({x}, {self.axis})"

    def onnx(self, g: Any, x: Any) -> Any:
        return g.softmax(x, axis(self.axis, x.shape))
