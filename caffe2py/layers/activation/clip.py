"""Clip to a range."""

from __future__ import annotations

import math

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Params, Term, layer, param, read_fields


@layer("Clip")
class Clip(Layer):
    """top = max(min, min(x, max)): `min` everywhere where it is above `max`; a `max` that is NaN is none.

    NaN in x stays NaN, of which Caffe makes `min`. The gradient passes where min <= x <= max. Source: clip_layer.cpp.
    """

    reads_back = "x"
    min: float = param("clip_param.min")
    max: float = param("clip_param.max")

    @classmethod
    def read(cls, params: Params) -> Layer:
        for word in ("min", "max"):
            if not params.has(f"clip_param.{word}"):
                raise Misfit(f"gives no {word}; want min and max")
        return cls(**read_fields(cls, params))

    def bounds(self) -> tuple[float, float] | None:
        """The range, None where every value becomes `min`."""
        high = math.inf if math.isnan(self.max) else self.max
        return (self.min, high) if self.min <= high else None

    def torch(self, em: Emitter, x: Term) -> str:
        bounds = self.bounds()
        return f"torch.clamp({x}, {bounds[0]}, {bounds[1]})" if bounds else f"torch.full_like({x}, {self.min})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        if math.isnan(self.min):  # which runtimes take for no bound
            return g.op("Mul", x, math.nan)
        return g.op("Clip", x, *(self.bounds() or (self.min, self.min)))
