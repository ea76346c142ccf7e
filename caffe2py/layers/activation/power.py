"""Power of a scaled and shifted blob."""

from __future__ import annotations

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Term, affine, affine_nodes, float32, layer, param


@layer("Power")
class Power(Layer):
    """top = (shift + scale * x) ^ power; without gradient where scale or power is 0. Source: power_layer.cpp.

    Caffe's gradient divides the top by shift + scale * x, but for powers of 1 and 2: NaN at 0, as a running net has it.
    """

    power: float = param("power_param.power")
    scale: float = param("power_param.scale")
    shift: float = param("power_param.shift")

    def constant(self) -> float | None:
        """The value of every element where x does not matter: 1, or shift ^ power."""
        if float32(self.power * self.scale):
            return None
        import numpy as np  # here, so that a net can be shown without it

        with np.errstate(all="ignore"):
            return float(np.power(np.float64(self.shift), self.power))

    def read_back(self, in_place: bool) -> str:
        if self.power * self.scale == 0 or self.power == 1:
            return ""
        return "x" if self.power == 2 else "xy"

    def torch(self, em: Emitter, x: Term) -> str:
        constant = self.constant()
        if constant is not None:
            return f"torch.full_like({x}, {constant})"
        base = affine(x, self.scale, self.shift)
        if self.power == 1:
            return base
        exponent = int(self.power) if self.power.is_integer() and abs(self.power) < 100 else self.power
        return f"{x if base == x else f'({base})'} ** {exponent}"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        constant = self.constant()
        if constant is not None:
            return g.full(x.shape, constant)
        base = affine_nodes(g, x, self.scale, self.shift)
        return base if self.power == 1 else g.op("Pow", base, self.power)
