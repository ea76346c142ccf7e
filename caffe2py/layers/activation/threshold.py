"""Threshold."""

from __future__ import annotations

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Term, layer, param


@layer("Threshold")
class Threshold(Layer):
    """top = 1 where x > threshold, else 0. No gradient. Source: threshold_layer.cpp."""

    threshold: float = param("threshold_param.threshold")

    def torch(self, em: Emitter, x: Term) -> str:
        return f"({x} > {self.threshold}).to({x}.dtype)"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        return g.cast(g.op("Greater", x, self.threshold), "float")
