"""Clip to a range."""

from __future__ import annotations

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Params, Term, layer, param, read_fields


@layer("Clip")
class Clip(Layer):
    """top = max(min, min(x, max)). The gradient passes where min <= x <= max. Source: clip_layer.cpp."""

    min: float = param("clip_param.min")
    max: float = param("clip_param.max")

    @classmethod
    def read(cls, params: Params) -> Layer:
        for word in ("min", "max"):
            if not params.has(f"clip_param.{word}"):
                raise Misfit(f"gives no {word}; want min and max")
        return cls(**read_fields(cls, params))

    def torch(self, em: Emitter, x: Term) -> str:
        return f"torch.clamp({x}, {self.min}, {self.max})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        return g.op("Clip", x, self.min, self.max)
