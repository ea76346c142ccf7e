"""ContrastiveLoss: draws similar pairs together and others apart."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, count, four, layer, param, text
from caffe2py.layers.loss.losses import one_label, onnx_sum


@layer("ContrastiveLoss", bottoms=3, loss=True)
class ContrastiveLoss(Layer):
    """loss = sum [y d^2 + (1 - y) max(margin - d, 0)^2] / (2 N), d = |a - b|, y 1 for a similar pair.

    With legacy_version the second term is max(margin - d^2, 0). a and b (N, C) or (N), y (N). Caffe's gradient
    divides by d + 1e-4 where the formula divides by d. Source: contrastive_loss_layer.cpp.
    """

    margin: float = param("contrastive_loss_param.margin")
    legacy_version: bool = param("contrastive_loss_param.legacy_version")

    def shapes(self, a: Shape, b: Shape, similar: Shape) -> Sequence[Shape]:
        one_label(a, similar)
        four(similar)
        if four(a) != four(b) or count(a, 2) != 1:
            raise Misfit(f"bottoms {text(a)} and {text(b)} are no pairs of vectors; want (N, C) twice")
        return [()]

    def torch(self, em: Emitter, a: Term, b: Term, similar: Term) -> str:
        legacy = {"legacy": True} if self.legacy_version else {}
        return em.call("contrastive_loss", a, b, similar, margin=self.margin, **legacy)

    def onnx(self, g: Builder, a: Handle, b: Handle, similar: Handle) -> Handle:
        d = g.flatten(g.op("Sub", a, g.reshape(b, a.shape)), 1)
        square = g.reduce("ReduceSum", g.op("Mul", d, d), [1], keepdims=False)
        gap = g.op("Sub", self.margin, square if self.legacy_version else g.op("Sqrt", square))
        apart = g.op("Relu", gap)
        apart = apart if self.legacy_version else g.op("Mul", apart, apart)
        alike = g.cast(g.cast(g.reshape(similar, square.shape), "int64"), "bool")
        losses = g.op("Where", alike, square, apart)
        return g.op("Div", onnx_sum(g, losses), g.number(a.shape[0] * 2))
