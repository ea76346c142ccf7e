"""SoftmaxWithLoss: softmax and the logarithmic loss of its probabilities."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Shape, Term, axis, count, layer, param
from caffe2py.layers.loss.losses import Counted, label_each, onnx_chosen, onnx_labels, same_samples


@layer("SoftmaxWithLoss", bottoms=2, tops=(1, 2), loss=True)
class SoftmaxWithLoss(Counted):
    """loss = -sum log softmax(x)[label] / n, the classes on `axis`; n by `normalization`, VALID where none is given.

    x (N, C, ...); one label for each place of x without its classes; a label equal to ignore_label does not count.
    A second top is softmax(x), through which no gradient flows. Source: softmax_loss_layer.cpp.
    """

    axis: int = param("softmax_param.axis")

    def shapes(self, x: Shape, label: Shape) -> Sequence[Shape]:
        same_samples(x, label)
        label_each(x, axis(self.axis, x), label)
        return [(), x][: self.outputs]

    def torch(self, em: Emitter, x: Term, label: Term) -> Sequence[str]:
        at = axis(self.axis, x.shape)
        loss = em.call("softmax_loss", x, label, axis=at, **self.settings())
        return [loss, f"torch.softmax({x}.detach(), {at})"][: self.outputs]

    def onnx(self, g: Builder, x: Handle, label: Handle) -> Sequence[Handle]:
        at = axis(self.axis, x.shape)
        _, chosen, counted = onnx_labels(g, label, x.shape, at, self.ignore_label)
        log_p = onnx_chosen(g, g.softmax(x, at, "LogSoftmax"), chosen, at)
        losses = g.op("Neg", g.op("Max", log_p, -87.3365447505531))
        loss = self.onnx_mean(g, losses, counted, count(x.shape, 0, at))
        return [loss] if self.outputs == 1 else [loss, g.softmax(x, at)]
