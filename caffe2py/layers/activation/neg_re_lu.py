"""NegReLU: ReLU turned over."""

from __future__ import annotations

import math

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Term, layer, param


@layer("NegReLU", fork="FlowNet", formula=True)
class NegReLU(Layer):
    """top = min(x, 0) + negative_slope * max(x, 0).

    From neg_relu_layer.cpp of FlowNet 2; nobody ran it for a record.
    """

    negative_slope: float = param("relu_param.negative_slope")

    def read_back(self, in_place: bool) -> str:
        return "y" if in_place and self.negative_slope >= 0 else "x"

    def torch(self, em: Emitter, x: Term) -> str:
        if not math.isfinite(self.negative_slope):  # times 0 it is NaN, and so it is below zero
            return f"{x}.clamp(max=0) + {self.negative_slope} * F.relu({x})"
        return f"-F.leaky_relu(-{x}, {self.negative_slope})" if self.negative_slope else f"{x}.clamp(max=0)"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        if not self.negative_slope:
            return g.op("Min", x, 0.0)
        if not math.isfinite(self.negative_slope):
            return g.op("Add", g.op("Min", x, 0.0), g.op("Mul", g.op("Relu", x), self.negative_slope))
        return g.op("Neg", g.op("LeakyRelu", g.op("Neg", x), alpha=self.negative_slope))
