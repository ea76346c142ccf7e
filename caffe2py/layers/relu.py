"""ReLU, with an optional slope below zero."""

from __future__ import annotations

from typing import Any

from caffe2py.layers.base import Layer, layer, param


@layer("ReLU")
class ReLU(Layer):
    """top = max(x, 0) + negative_slope * min(x, 0). Source: relu_layer.cpp."""

    negative_slope: float = param("relu_param.negative_slope")

    def torch(self, em: Any, x: Any) -> str:
        return f"F.leaky_relu({x}, {self.negative_slope})" if self.negative_slope else f"F.relu({x})"

    def onnx(self, g: Any, x: Any) -> Any:
        return g.op("LeakyRelu", x, alpha=self.negative_slope) if self.negative_slope else g.op("Relu", x)
