"""Mish."""

from __future__ import annotations

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Term, layer


@layer("Mish", fork="YOLO v4", formula=True)
class Mish(Layer):
    """top = x * tanh(log(1 + exp(x))). From its paper: Misra 2019; files name it, and no source of it was at hand."""

    reads_back = "x"

    def torch(self, em: Emitter, x: Term) -> str:
        return f"F.mish({x})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        return g.op("Mul", x, g.op("Tanh", g.op("Softplus", x)))
