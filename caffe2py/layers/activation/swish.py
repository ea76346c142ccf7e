"""Swish."""

from __future__ import annotations

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Term, affine, affine_nodes, layer, param


@layer("Swish")
class Swish(Layer):
    """top = x / (1 + exp(-beta * x)). Source: swish_layer.cpp; Ramachandran, Zoph and Le 2017."""

    reads_back = "y"
    beta: float = param("swish_param.beta")

    def torch(self, em: Emitter, x: Term) -> str:
        return f"F.silu({x})" if self.beta == 1 else f"{x} * torch.sigmoid({affine(x, self.beta, 0)})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        return g.op("Mul", x, g.op("Sigmoid", affine_nodes(g, x, self.beta, 0)))
