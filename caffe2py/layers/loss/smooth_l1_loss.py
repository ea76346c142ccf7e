"""SmoothL1Loss: squares near 0, distances beyond."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, count, four, layer, param, text
from caffe2py.layers.loss.losses import onnx_sum, same_samples


@layer("SmoothL1Loss", bottoms=(2, 4), loss=True, fork="Fast R-CNN")
class SmoothL1Loss(Layer):
    """loss = sum w_out * f(w_in * (x - y)) / N.

    f(d) is (sigma d)^2 / 2 for |d| < 1 / sigma^2, else |d| - 1 / (2 sigma^2). x and y (N, ...) of one shape; w_in and
    w_out, of that shape too, are bottoms 2 and 3, or 1. The gradient flows into x and y. Source:
    smooth_l1_loss_layer.cpp of Fast R-CNN and SSD; Girshick 2015.
    """

    sigma: float = param("smooth_l1_loss_param.sigma", 1.0)

    def shapes(self, x: Shape, y: Shape, *weights: Shape) -> Sequence[Shape]:
        same_samples(x, y)
        for i, other in enumerate((y, *weights), 1):
            if four(other) != four(x):
                raise Misfit(f"bottom {i} {text(other)} has another shape than bottom 0 {text(x)}")
        if not self.sigma > 0:
            raise Misfit(f"sigma is {self.sigma:g}; want it above 0")
        return [()]

    def torch(self, em: Emitter, x: Term, y: Term, *weights: Term) -> str:
        return em.call("smooth_l1_loss", x, y, *weights, sigma=self.sigma)

    def onnx(self, g: Builder, x: Handle, y: Handle, *weights: Handle) -> Handle:
        d = g.op("Sub", x, g.reshape(y, x.shape))
        d = g.op("Abs", g.op("Mul", d, g.reshape(weights[0], x.shape)) if weights else d)
        square = self.sigma**2
        near = g.op("Mul", g.op("Mul", d, d), square / 2)
        losses = g.op("Where", g.op("Less", d, 1 / square), near, g.op("Sub", d, 0.5 / square))
        if len(weights) > 1:
            losses = g.op("Mul", losses, g.reshape(weights[1], x.shape))
        return g.op("Div", onnx_sum(g, losses), g.number(x.shape[0]))

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(bottoms[0])
