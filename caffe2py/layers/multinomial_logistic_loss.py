"""MultinomialLogisticLoss: the logarithmic loss of probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe2py.layers.base import Layer, Shape, layer
from caffe2py.layers.losses import one_label


@layer("MultinomialLogisticLoss", bottoms=2, loss=True)
class MultinomialLogisticLoss(Layer):
    """loss = -sum log(max(p[label], 1e-20)) / N, for p (N, ...) with classes on all other axes, label (N).

    Where p[label] is below 1e-20 the gradient is that at 1e-20. Source: multinomial_logistic_loss_layer.cpp.
    """

    def shapes(self, p: Shape, label: Shape) -> Sequence[Shape]:
        one_label(p, label)
        return [()]

    def torch(self, em: Any, p: Any, label: Any) -> str:
        return em.call("multinomial_logistic_loss", p, label)
