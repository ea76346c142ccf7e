"""ELU."""

from __future__ import annotations

import math

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Term, layer, param


@layer("ELU")
class ELU(Layer):
    """top = max(x, 0) + alpha * (exp(min(x, 0)) - 1), with gradient alpha at 0. Source: elu_layer.cpp; Clevert 2015."""

    alpha: float = param("elu_param.alpha")

    def read_back(self, in_place: bool) -> str:
        return "y" if in_place else "xy"  # the top has the sign of the bottom

    def torch(self, em: Emitter, x: Term) -> str:
        if not math.isfinite(self.alpha):  # times 0 it is NaN, and so it is above zero
            return f"F.relu({x}) + {self.alpha} * torch.expm1({x}.clamp(max=0))"
        return f"F.elu({x})" if self.alpha == 1 else f"F.elu({x}, {self.alpha})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        if not math.isfinite(self.alpha):
            below = g.op("Sub", g.op("Exp", g.op("Min", x, 0.0)), 1.0)
            return g.op("Add", g.op("Relu", x), g.op("Mul", below, self.alpha))
        return g.op("Elu", x, alpha=self.alpha)
