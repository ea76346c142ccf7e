"""Sigmoid."""

from __future__ import annotations

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Term, layer


@layer("Sigmoid")
class Sigmoid(Layer):
    """top = 1 / (1 + exp(-x)). Source: sigmoid_layer.cpp."""

    reads_back = "y"

    def torch(self, em: Emitter, x: Term) -> str:
        return f"torch.sigmoid({x})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        return g.op("Sigmoid", x)
