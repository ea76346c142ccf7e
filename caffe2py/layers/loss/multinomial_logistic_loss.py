"""MultinomialLogisticLoss: the logarithmic loss of probabilities."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Shape, Term, four, layer
from caffe2py.layers.loss.losses import one_label, onnx_chosen, onnx_labels, onnx_sum


@layer("MultinomialLogisticLoss", bottoms=2, loss=True)
class MultinomialLogisticLoss(Layer):
    """loss = -sum log(max(p[label], 1e-20)) / N, for p (N, ...) with classes on all other axes, label (N).

    Where p[label] is below 1e-20 the gradient is that at 1e-20. Source: multinomial_logistic_loss_layer.cpp.
    """

    reads_back = "x"

    def shapes(self, p: Shape, label: Shape) -> Sequence[Shape]:
        one_label(p, label)
        four(p), four(label)
        return [()]

    def torch(self, em: Emitter, p: Term, label: Term) -> str:
        return em.call("multinomial_logistic_loss", p, label)

    def onnx(self, g: Builder, p: Handle, label: Handle) -> Handle:
        rows = g.flatten(p, 1)
        _, chosen, _ = onnx_labels(g, label, rows.shape, 1, None)
        log_p = g.op("Log", g.op("Max", onnx_chosen(g, rows, chosen, 1), 1e-20))
        return g.op("Neg", g.op("Div", onnx_sum(g, log_p), g.number(p.shape[0])))
