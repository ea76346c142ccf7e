"""TanH."""

from __future__ import annotations

from typing import Any

from caffe2py.layers.base import Layer, layer


@layer("TanH")
class TanH(Layer):
    """top = tanh(x). Source: tanh_layer.cpp."""

    def torch(self, em: Any, x: Any) -> str:
        return f"torch.tanh({x})"

    def onnx(self, g: Any, x: Any) -> Any:
        return g.op("Tanh", x)
