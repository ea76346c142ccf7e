"""Exp: an exponential of any base."""

from __future__ import annotations

import math

from caffe2py.layers.base import (
    Builder,
    Emitter,
    Handle,
    Layer,
    Misfit,
    Params,
    Term,
    affine,
    affine_nodes,
    layer,
    param,
    read_fields,
)


@layer("Exp")
class Exp(Layer):
    """top = base ^ (shift + scale * x); base -1 is e. Source: exp_layer.cpp."""

    reads_back = "y"
    base: float = param("exp_param.base")
    scale: float = param("exp_param.scale")
    shift: float = param("exp_param.shift")

    @classmethod
    def read(cls, params: Params) -> Layer:
        fields = read_fields(cls, params)
        if fields["base"] != -1 and not 0 < fields["base"] < math.inf:
            raise Misfit(f"base is {fields['base']:g}; want a number above 0, or -1 for e")
        return cls(**fields)

    def torch(self, em: Emitter, x: Term) -> str:
        power = affine(x, self.scale, self.shift)
        return f"torch.exp({power})" if self.base == -1 else f"torch.pow({self.base}, {power})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        power = affine_nodes(g, x, self.scale, self.shift)
        return g.op("Exp", power) if self.base == -1 else g.op("Pow", self.base, power)
