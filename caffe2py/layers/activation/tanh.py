"""TanH."""

from __future__ import annotations

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Term, layer


@layer("TanH")
class TanH(Layer):
    """top = tanh(x). Source: tanh_layer.cpp."""

    reads_back = "y"

    def torch(self, em: Emitter, x: Term) -> str:
        return f"torch.tanh({x})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        return g.op("Tanh", x)
