"""Clip to a range."""

from __future__ import annotations

from typing import Any

from caffe2py.layers.base import Layer, Misfit, Params, layer, param, read_fields


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

    def torch(self, em: Any, x: Any) -> str:
        return f"torch.clamp({x}, {self.min}, {self.max})"

    def onnx(self, g: Any, x: Any) -> Any:
        return g.op("Clip", x, self.min, self.max)
