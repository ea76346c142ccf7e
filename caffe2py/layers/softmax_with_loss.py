"""SoftmaxWithLoss: softmax and the logarithmic loss of its probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe2py.layers.base import Shape, axis, layer, param
from caffe2py.layers.losses import Counted, label_each


@layer("SoftmaxWithLoss", bottoms=2, tops=(1, 2), loss=True)
class SoftmaxWithLoss(Counted):
    """loss = -sum log softmax(x)[label] / n, the classes on `axis`; n by `normalization`, VALID where none is given.

    x (N, C, ...); one label for each place of x without its classes; a label equal to ignore_label does not count.
    A second top is softmax(x), through which no gradient flows. Source: softmax_loss_layer.cpp.
    """

    axis: int = param("softmax_param.axis")

    def shapes(self, x: Shape, label: Shape) -> Sequence[Shape]:
        label_each(x, axis(self.axis, x), label)
        return [(), x][: self.outputs]

    def torch(self, em: Any, x: Any, label: Any) -> Sequence[str]:
        at = axis(self.axis, x.shape)
        loss = em.call("softmax_loss", x, label, axis=at, **self.settings())
        return [loss, f"torch.softmax({x}.detach(), {at})"][: self.outputs]
