"""MVN: normalisation by the mean and variance of each map."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Shape, Term, count, deep, four, layer, param


@layer("MVN")
class MVN(Layer):
    """top = (x - mean) / (sqrt(variance) + eps), by sample and channel, or by sample with across_channels.

    Without normalize_variance only the mean is taken off. eps is outside the root, and Caffe's gradient takes
    the whole divisor for the deviation. x up to 4 axes, the top always 4: (N, C) becomes (N, C, 1, 1).
    Source: mvn_layer.cpp.
    """

    normalize_variance: bool = param("mvn_param.normalize_variance")
    across_channels: bool = param("mvn_param.across_channels")
    eps: float = param("mvn_param.eps")

    def shapes(self, x: Shape) -> Sequence[Shape]:
        return [four(x)]

    def axes(self, x: Shape) -> tuple[int, ...]:
        """The axes of one mean."""
        return tuple(range(1 if self.across_channels else 2, len(x)))

    def read_back(self, in_place: bool) -> str:
        return "y" if self.normalize_variance else ""

    def torch(self, em: Emitter, x: Term) -> str:
        axes, more = self.axes(x.shape), 4 - len(x.shape)
        if not axes:
            text = f"torch.zeros_like({x})"  # one value is its own mean
        elif self.normalize_variance:
            text = em.call("mean_variance_norm", x, axes=axes, eps=self.eps)
        else:
            text = f"{x} - {x}.mean({axes}, keepdim=True)"
            text = f"({text})" if more else text
        return deep(text, more)

    def onnx(self, g: Builder, x: Handle) -> Handle:
        axes = self.axes(x.shape)
        if not axes:
            return g.full(g.tops[0], 0)
        top = g.op("Sub", x, g.reduce("ReduceMean", x, axes))
        if self.normalize_variance:
            variance = g.reduce("ReduceMean", g.op("Mul", top, top), axes)
            top = g.op("Div", top, g.op("Add", g.op("Sqrt", variance), self.eps))
        return g.reshape(top, g.tops[0])

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0])
