"""Eltwise: sum, product or maximum of blobs of one shape."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from caffe2py.layers.base import (
    LOWEST,
    Builder,
    Emitter,
    Handle,
    Layer,
    Misfit,
    Shape,
    Term,
    count,
    layer,
    param,
    same,
    unsaid,
)


@layer("Eltwise", bottoms=(1, None))
class Eltwise(Layer):
    """top = sum of coeff_i * x_i, or product of x_i, or maximum of x_i. Source: eltwise_layer.cpp.

    Caffe wants two bottoms or more; FlowNet's nets scale one by its coeff. Where the first two are equal the maximum
    is the second's, which shows in the gradient. Without stable_prod_grad the gradient of a product is (top / x_i) *
    top's gradient: NaN where x_i is 0.
    """

    operation: str = param("eltwise_param.operation")
    coeff: tuple[float, ...] = param("eltwise_param.coeff")
    stable_prod_grad: bool = param("eltwise_param.stable_prod_grad")
    overwritten: tuple[int, ...] = unsaid(())  # the bottoms that lie where the top does

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        if len(bottoms) < 2 and (self.operation != "SUM" or not self.coeff):
            raise Misfit(f"has {len(bottoms)} bottoms; want 2 or more")
        same(bottoms, "Eltwise wants one shape")
        if self.coeff and len(self.coeff) != len(bottoms):
            raise Misfit(f"gives {len(self.coeff)} coeff for {len(bottoms)} bottoms; want one for each, or none")
        if self.coeff and self.operation == "PROD":
            raise Misfit("gives coeff for a product; Caffe takes them for sums only")
        return bottoms[:1]

    def over(self, bottoms: Sequence[int]) -> tuple[Layer, str] | None:
        """A sum starts from 0, a maximum from the lowest number, in the top; a product reads two bottoms first."""
        if self.operation == "PROD" and max(bottoms) < 2:
            return None
        start = {"SUM": "starts the sum from 0", "MAX": "starts from the lowest number", "PROD": "multiplies"}
        fact = f"Caffe's code {start[self.operation]} in the memory of a bottom that it has not read by then"
        return self.changed(overwritten=tuple(bottoms)), fact

    def factors(self, bottoms: int) -> tuple[float, ...]:
        """What each bottom counts in a sum. One where the top is adds the sum so far to itself when its turn comes."""
        factors: list[float] = []
        for i, c in enumerate(self.coeff or (1.0,) * bottoms):
            factors = [*(f * (1 + c) for f in factors), 0.0] if i in self.overwritten else [*factors, c]
        return tuple(factors)

    def read_back(self, in_place: bool) -> str:
        if self.operation != "PROD":
            return ""
        return "x" if self.stable_prod_grad else "xy"

    def torch(self, em: Emitter, *bottoms: Term) -> str:
        if self.operation == "SUM":
            return _signed_sum(self.factors(len(bottoms)), bottoms)
        if self.operation == "MAX":
            lost = f"torch.full_like({bottoms[0]}, {LOWEST})"
            return em.call("eltwise_max", *(lost if i in self.overwritten else b for i, b in enumerate(bottoms)))
        if self.overwritten:
            return reduce(
                lambda x, i: f"({x}) ** 2" if self.lost(i) else f"{x} * {bottoms[i]}",
                range(1, len(bottoms)),
                str(bottoms[0]),
            )
        return " * ".join(bottoms) if self.stable_prod_grad else em.call("quotient_product", *bottoms)

    def onnx(self, g: Builder, *bottoms: Handle) -> Handle:
        if self.operation == "MAX":
            left = [b for i, b in enumerate(bottoms) if i not in self.overwritten]
            return g.op("Max", *left, *([g.full(bottoms[0].shape, g.lowest)] if self.overwritten else []))
        if self.operation == "PROD" and self.overwritten:
            return reduce(
                lambda x, i: g.op("Mul", x, x if self.lost(i) else bottoms[i]), range(1, len(bottoms)), bottoms[0]
            )
        if self.operation == "SUM" and (self.coeff or self.overwritten):
            terms = [(b, c) for b, c in zip(bottoms, self.factors(len(bottoms)), strict=True) if c != 0]
            bottoms = tuple(b if c == 1 else g.op("Mul", b, c) for b, c in terms) or (g.full(bottoms[0].shape, 0.0),)
        kind = "Add" if self.operation == "SUM" else "Mul"
        return reduce(lambda x, y: g.op(kind, x, y), bottoms)

    def lost(self, index: int) -> bool:
        """Has the product so far been written over this factor?"""
        return index > 1 and index in self.overwritten

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0]) * max(len(bottoms) - 1, 1)


def _signed_sum(coeff: Sequence[float], bottoms: Sequence[str]) -> str:
    """`a - 0.5 * b + c`, without what counts 0 times."""
    text = ""
    for c, b in zip(coeff, bottoms, strict=True):
        if c == 0:
            continue
        sign = " - " if c < 0 else " + "
        term = b if abs(c) == 1 else f"{abs(c)} * {b}"
        text += f"{sign}{term}" if text else f"{'-' if c < 0 else ''}{term}"
    return text or f"torch.zeros_like({bottoms[0]})"
