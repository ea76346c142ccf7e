"""Log: a logarithm of any base."""

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


@layer("Log")
class Log(Layer):
    """top = log_base(shift + scale * x); base -1 is e. Source: log_layer.cpp."""

    reads_back = "x"
    base: float = param("log_param.base")
    scale: float = param("log_param.scale")
    shift: float = param("log_param.shift")

    @classmethod
    def read(cls, params: Params) -> Layer:
        fields = read_fields(cls, params)
        if fields["base"] == 1 or (fields["base"] != -1 and not 0 < fields["base"] < math.inf):
            raise Misfit(f"base is {fields['base']:g}; want a number above 0 other than 1, or -1 for e")
        return cls(**fields)

    def torch(self, em: Emitter, x: Term) -> str:
        text = f"torch.log({affine(x, self.scale, self.shift)})"
        return text if self.base == -1 else f"{text} / {math.log(self.base)}"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        top = g.op("Log", affine_nodes(g, x, self.scale, self.shift))
        return top if self.base == -1 else g.op("Div", top, math.log(self.base))
