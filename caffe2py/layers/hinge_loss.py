"""HingeLoss: one against all, by margins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe2py.layers.base import Layer, Shape, layer, param
from caffe2py.layers.losses import one_label


@layer("HingeLoss", bottoms=2, loss=True)
class HingeLoss(Layer):
    """loss = sum max(0, 1 - d x)^p / N, d = 1 at the label and -1 elsewhere; p is 1 for norm L1, 2 for L2.

    x (N, ...) with classes on all other axes, label (N). Source: hinge_loss_layer.cpp.
    """

    norm: str = param("hinge_loss_param.norm")

    def shapes(self, x: Shape, label: Shape) -> Sequence[Shape]:
        one_label(x, label)
        return [()]

    def torch(self, em: Any, x: Any, label: Any) -> str:
        return em.call("hinge_loss", x, label, **({"squared": True} if self.norm == "L2" else {}))
