"""MVN: normalisation by the mean and variance of each map."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, count, layer, param, text


@layer("MVN")
class MVN(Layer):
    """top = (x - mean) / (sqrt(variance) + eps), by sample and channel, or by sample with across_channels.

    Without normalize_variance only the mean is taken off. eps is outside the root, and Caffe's gradient takes
    the whole divisor for the deviation. x up to 4 axes. Source: mvn_layer.cpp.
    """

    normalize_variance: bool = param("mvn_param.normalize_variance")
    across_channels: bool = param("mvn_param.across_channels")
    eps: float = param("mvn_param.eps")

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if len(x) > 4:
            raise Misfit(f"has a bottom of shape {text(x)}; want 4 axes at the most")
        return [x]

    def axes(self, x: Shape) -> tuple[int, ...]:
        """The axes of one mean."""
        return tuple(range(1 if self.across_channels else 2, len(x)))

    def torch(self, em: Emitter, x: Term) -> str:
        axes = self.axes(x.shape)
        if not axes:
            return f"torch.zeros_like({x})"  # one value is its own mean
        if not self.normalize_variance:
            return f"{x} - {x}.mean({axes}, keepdim=True)"
        return em.call("mean_variance_norm", x, axes=axes, eps=self.eps)

    def onnx(self, g: Builder, x: Handle) -> Handle:
        axes = self.axes(x.shape)
        if not axes:
            return g.full(x.shape, 0)
        centred = g.op("Sub", x, g.reduce("ReduceMean", x, axes))
        if not self.normalize_variance:
            return centred
        variance = g.reduce("ReduceMean", g.op("Mul", centred, centred), axes)
        return g.op("Div", centred, g.op("Add", g.op("Sqrt", variance), self.eps))

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0])
