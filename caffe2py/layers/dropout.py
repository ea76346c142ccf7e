"""Dropout."""

from __future__ import annotations

from typing import Any

from caffe2py.layers.base import Layer, Misfit, layer, param


@layer("Dropout")
class Dropout(Layer):
    """In training top = x * mask / (1 - ratio), the mask 0 with probability ratio; else top = x.

    Source: dropout_layer.cpp.
    """

    ratio: float = param("dropout_param.dropout_ratio")

    def torch(self, em: Any, x: Any) -> str:
        return f"F.dropout({x}, {self.ratio}, self.training)"

    def onnx(self, g: Any, x: Any) -> Any:
        if g.phase == "TRAIN":
            raise Misfit("drops at random in phase TRAIN; load the net with phase TEST")
        return x
