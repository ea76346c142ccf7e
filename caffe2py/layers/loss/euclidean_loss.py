"""EuclideanLoss: half the squared distance."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, count, four, layer, text
from caffe2py.layers.loss.losses import onnx_sum, same_samples


@layer("EuclideanLoss", bottoms=2, loss=True)
class EuclideanLoss(Layer):
    """loss = sum (x - y)^2 / (2 N), for x and y (N, ...) of one size; the gradient flows into both.

    Source: euclidean_loss_layer.cpp.
    """

    def shapes(self, x: Shape, y: Shape) -> Sequence[Shape]:
        same_samples(x, y)
        four(x)
        if count(x) != count(y):
            raise Misfit(f"bottom 1 {text(y)} has another size than bottom 0 {text(x)}")
        return [()]

    def torch(self, em: Emitter, x: Term, y: Term) -> str:
        return em.call("euclidean_loss", x, y)

    def onnx(self, g: Builder, x: Handle, y: Handle) -> Handle:
        d = g.op("Sub", x, g.reshape(y, x.shape))
        return g.op("Div", onnx_sum(g, g.op("Mul", d, d)), g.number(x.shape[0] * 2))
