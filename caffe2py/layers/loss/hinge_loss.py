"""HingeLoss: one against all, by margins."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Shape, Term, four, layer, param
from caffe2py.layers.loss.losses import one_label, onnx_labels, onnx_sum


@layer("HingeLoss", bottoms=2, loss=True)
class HingeLoss(Layer):
    """loss = sum max(0, 1 - d x)^p / N, d = 1 at the label and -1 elsewhere; p is 1 for norm L1, 2 for L2.

    x (N, ...) with classes on all other axes, label (N). NaN counts as 0. Source: hinge_loss_layer.cpp.
    """

    norm: str = param("hinge_loss_param.norm")

    def shapes(self, x: Shape, label: Shape) -> Sequence[Shape]:
        one_label(x, label)
        four(x)
        return [()]

    def torch(self, em: Emitter, x: Term, label: Term) -> str:
        return em.call("hinge_loss", x, label, **({"squared": True} if self.norm == "L2" else {}))

    def onnx(self, g: Builder, x: Handle, label: Handle) -> Handle:
        rows = g.flatten(x, 1)
        _, chosen, _ = onnx_labels(g, label, rows.shape, 1, None)
        signed = g.op("Where", chosen, g.op("Neg", rows), rows)
        margin = g.op("Add", signed, 1.0)
        margin = g.op("Where", g.op("Greater", margin, 0.0), margin, 0.0)
        losses = g.op("Mul", margin, margin) if self.norm == "L2" else margin
        return g.op("Div", onnx_sum(g, losses), g.number(x.shape[0]))
