"""BNLL, the softplus."""

from __future__ import annotations

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Term, layer


@layer("BNLL")
class BNLL(Layer):
    """top = log(1 + exp(x)). Source: bnll_layer.cpp."""

    reads_back = "x"

    def torch(self, em: Emitter, x: Term) -> str:
        return f"F.softplus({x}, threshold=50.0)"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        return g.op("Softplus", x)
