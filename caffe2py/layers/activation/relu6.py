"""ReLU6: ReLU with a ceiling."""

from __future__ import annotations

import math

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Params, Term, layer, param, read_fields


@layer("ReLU6", fork="MobileNet-YOLO")
class ReLU6(Layer):
    """top = min(max(x, 0) + negative_slope * min(x, 0), n), with an n of 6 where none is given.

    The slope stands in relu_param or relu6_param; n is OpenVINO's. Source: relu6_layer.cpp of eric612/MobileNet-YOLO.
    """

    negative_slope: float = param("relu6_param.negative_slope", 0.0)
    n: float = param("relu6_param.n", 6.0)

    @classmethod
    def read(cls, params: Params) -> Layer:
        fields = read_fields(cls, params)
        if params.has("relu_param.negative_slope"):
            if params.has("relu6_param.negative_slope"):
                raise Misfit("gives negative_slope in relu_param and in relu6_param; want one of the two")
            fields["negative_slope"] = params.get("relu_param.negative_slope")
        if math.isnan(fields["n"]):
            raise Misfit("has an n that is NaN; want the number that the top is at most")
        return cls(**fields)

    def read_back(self, in_place: bool) -> str:
        return "y" if in_place and self.negative_slope >= 0 else "x"

    def torch(self, em: Emitter, x: Term) -> str:
        if self.negative_slope:
            return f"F.leaky_relu({x}, {self.negative_slope}).clamp(max={self.n})"
        return f"F.relu6({x})" if self.n == 6 else f"{x}.clamp(0, {self.n})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        if self.negative_slope:
            return g.op("Min", g.op("LeakyRelu", x, alpha=self.negative_slope), self.n)
        return g.op("Clip", x, 0.0, self.n)
