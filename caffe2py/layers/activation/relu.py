"""ReLU, with an optional slope below zero."""

from __future__ import annotations

import math

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Term, layer, param


@layer("ReLU")
class ReLU(Layer):
    """top = max(x, 0) + negative_slope * min(x, 0). Source: relu_layer.cpp.

    Without a slope -inf becomes 0; in Caffe it is NaN, 0 times -inf.
    """

    negative_slope: float = param("relu_param.negative_slope")

    def read_back(self, in_place: bool) -> str:
        return "y" if in_place and self.negative_slope >= 0 else "x"  # the top has the sign of the bottom

    def torch(self, em: Emitter, x: Term) -> str:
        if not math.isfinite(self.negative_slope):  # times 0 it is NaN, and so it is above zero
            return f"F.relu({x}) + {self.negative_slope} * {x}.clamp(max=0)"
        return f"F.leaky_relu({x}, {self.negative_slope})" if self.negative_slope else f"F.relu({x})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        if not math.isfinite(self.negative_slope):
            return g.op("Add", g.op("Relu", x), g.op("Mul", g.op("Min", x, 0.0), self.negative_slope))
        return g.op("LeakyRelu", x, alpha=self.negative_slope) if self.negative_slope else g.op("Relu", x)
