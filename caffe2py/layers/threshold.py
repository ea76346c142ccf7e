"""Threshold."""

from __future__ import annotations

from typing import Any

from caffe2py.layers.base import Layer, layer, param


@layer("Threshold")
class Threshold(Layer):
    """top = 1 where x > threshold, else 0. No gradient. Source: threshold_layer.cpp."""

    threshold: float = param("threshold_param.threshold")

    def torch(self, em: Any, x: Any) -> str:
        return f"({x} > {self.threshold}).to({x}.dtype)"

    def onnx(self, g: Any, x: Any) -> Any:
        return g.cast(g.op("Greater", x, self.threshold), "float")
