"""Sigmoid."""

from __future__ import annotations

from typing import Any

from caffe2py.layers.base import Layer, layer


@layer("Sigmoid")
class Sigmoid(Layer):
    """top = 1 / (1 + exp(-x)). Source: sigmoid_layer.cpp."""

    def torch(self, em: Any, x: Any) -> str:
        return f"torch.sigmoid({x})"

    def onnx(self, g: Any, x: Any) -> Any:
        return g.op("Sigmoid", x)
