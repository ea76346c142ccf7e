"""LRN: local response normalisation, across channels or within each."""

from __future__ import annotations

import math
from collections.abc import Sequence

from caffe2py.layers.base import (
    Builder,
    Emitter,
    Handle,
    Layer,
    Misfit,
    Shape,
    Term,
    affine_nodes,
    count,
    layer,
    param,
    text,
    unsaid,
)


@layer("LRN")
class LRN(Layer):
    """Each value divided by a power of the squares around it, n = local_size of them a side.

    ACROSS_CHANNELS: top = x * (k + alpha / n * sum of x^2 over n channels) ^ -beta. WITHIN_CHANNEL:
    top = x * (1 + alpha / n^2 * sum of x^2 over n x n places) ^ -beta, which has no k. Outside of x is 0.
    x (N, C, H, W). Source: lrn_layer.cpp; Krizhevsky, Sutskever and Hinton 2012.
    """

    local_size: int = param("lrn_param.local_size")
    alpha: float = param("lrn_param.alpha")
    beta: float = param("lrn_param.beta")
    norm_region: str = param("lrn_param.norm_region")
    k: float = param("lrn_param.k")
    overwritten: bool = unsaid(False)  # its power has been written over x

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if len(x) != 4:
            raise Misfit(f"has a bottom of shape {text(x)}; want 4 axes (num, channels, height, width)")
        if self.local_size % 2 == 0:
            raise Misfit(f"local_size is {self.local_size}; want an odd number")
        return [x]

    def read_back(self, in_place: bool) -> str:
        return "xy" if self.norm_region == "ACROSS_CHANNELS" else "x"

    def over(self, bottoms: Sequence[int]) -> tuple[Layer, str] | None:
        fact = "Caffe's code writes the power over x before it multiplies the two, so that the power is squared"
        return (self.changed(overwritten=True), fact) if self.norm_region == "ACROSS_CHANNELS" else None

    def torch(self, em: Emitter, x: Term) -> str:
        n = self.local_size
        if self.overwritten:
            padded = f"F.pad(({x} * {x})[:, None], (0, 0, 0, 0, {n // 2}, {n // 2}))"
            mean = f"F.avg_pool3d({padded}, ({n}, 1, 1), 1)[:, 0]"
            return f"({self.k} + {self.alpha} * {mean}) ** {-2 * self.beta}"
        if self.norm_region == "ACROSS_CHANNELS":
            return f"F.local_response_norm({x}, {n}, {self.alpha}, {self.beta}, {self.k})"
        return f"{x} * (1 + {self.alpha} * F.avg_pool2d({x} * {x}, {n}, 1, {n // 2})) ** {-self.beta}"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        n, across = self.local_size, self.norm_region == "ACROSS_CHANNELS"
        if across and 0 < self.alpha < math.inf and self.beta > 0 and not self.overwritten:
            return g.op("LRN", x, alpha=self.alpha, beta=self.beta, bias=self.k, size=n)
        square = g.op("Mul", x, x)
        if across:
            square = g.reshape(square, (x.shape[0], 1, x.shape[1], -1))
            scale = g.op("Add", g.op("Mul", _mean(g, square, [n, 1], [n // 2, 0]), self.alpha), self.k)
        else:
            scale = affine_nodes(g, _mean(g, square, [n, n], [n // 2] * 2), self.alpha, 1)
        power = g.reshape(g.op("Pow", scale, -self.beta * (2 if self.overwritten else 1)), x.shape)
        return power if self.overwritten else g.op("Mul", x, power)

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0]) * self.local_size ** (1 if self.norm_region == "ACROSS_CHANNELS" else 2)


def _mean(g: Builder, x: Handle, kernel: list[int], pad: list[int]) -> Handle:
    """The mean of each window, one for each value; outside of x is 0."""
    return g.op("AveragePool", x, kernel_shape=kernel, pads=pad * 2, count_include_pad=1, shape=x.shape)
