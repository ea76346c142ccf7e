"""BNLL, the softplus."""

from __future__ import annotations

from typing import Any

from caffe2py.layers.base import Layer, layer


@layer("BNLL")
class BNLL(Layer):
    """top = log(1 + exp(x)). Source: bnll_layer.cpp."""

    def torch(self, em: Any, x: Any) -> str:
        return f"F.softplus({x}, threshold=50.0)"

    def onnx(self, g: Any, x: Any) -> Any:
        return g.op("Softplus", x)
