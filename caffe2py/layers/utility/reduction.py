"""Reduction of the last axes to one number."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Shape, Term, axis, count, layer, param


@layer("Reduction")
class Reduction(Layer):
    """top = coeff * the sum, the sum of |x|, the sum of x^2, or the mean, over the axes of x from `axis` on.

    The top has the axes before. The gradient of |x| is 0 at 0. Source: reduction_layer.cpp.
    """

    reads_back = "x"
    operation: str = param("reduction_param.operation")
    axis: int = param("reduction_param.axis")
    coeff: float = param("reduction_param.coeff")

    def shapes(self, x: Shape) -> Sequence[Shape]:
        return [x[: axis(self.axis, x)]]

    def torch(self, em: Emitter, x: Term) -> str:
        start = axis(self.axis, x.shape)
        axes = tuple(range(start, len(x.shape))) if start else ""
        terms = {"ASUM": f"{x}.abs()", "SUMSQ": f"{x}.square()"}.get(self.operation, x)
        reduced = f"{terms}.{'mean' if self.operation == 'MEAN' else 'sum'}({axes})"
        return reduced if self.coeff == 1 else f"{self.coeff} * {reduced}"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        axes = list(range(axis(self.axis, x.shape), len(x.shape)))
        kind = {"SUM": "ReduceSum", "ASUM": "ReduceL1", "SUMSQ": "ReduceSumSquare", "MEAN": "ReduceMean"}[
            self.operation
        ]
        top = g.reduce(kind, x, axes, keepdims=False)
        return top if self.coeff == 1 else g.op("Mul", top, self.coeff)

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(bottoms[0])
