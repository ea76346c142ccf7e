"""SigmoidCrossEntropyLoss: the cross-entropy of independent yes-or-no predictions."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Misfit, Shape, Term, count, layer, text
from caffe2py.layers.loss.losses import Counted, same_samples


@layer("SigmoidCrossEntropyLoss", bottoms=2, loss=True)
class SigmoidCrossEntropyLoss(Counted):
    """loss = -sum [t log s(x) + (1 - t) log(1 - s(x))] / n, s the sigmoid, t the label of each value of x.

    n is the number of samples where no `normalization` is given. Labels whose whole part is ignore_label do not count.
    Source: sigmoid_cross_entropy_loss_layer.cpp.
    """

    normalization: str = "BATCH_SIZE"

    def shapes(self, x: Shape, label: Shape) -> Sequence[Shape]:
        same_samples(x, label)
        if count(x) != count(label):
            raise Misfit(f"has a label of shape {text(label)} for a bottom of shape {text(x)}; want as many values")
        return [()]

    def torch(self, em: Emitter, x: Term, label: Term) -> str:
        return em.call("sigmoid_loss", x, label, **self.settings())

    def onnx(self, g: Builder, x: Handle, label: Handle) -> Handle:
        target = g.reshape(label, x.shape)
        rest = g.op("Log", g.op("Add", g.op("Exp", g.op("Neg", g.op("Abs", x))), 1.0))
        losses = g.op("Add", g.op("Sub", g.op("Relu", x), g.op("Mul", x, target)), rest)
        counted = None
        if self.ignore_label is not None:
            ignored = g.constant(self.ignore_label, "ignored")
            counted = g.op("Not", g.op("Equal", g.cast(target, "int64"), ignored))
        return self.onnx_mean(g, losses, counted, x.shape[0])
