"""Swish."""

from __future__ import annotations

from typing import Any

from caffe2py.layers.base import Layer, affine, affine_nodes, layer, param


@layer("Swish")
class Swish(Layer):
    """top = x / (1 + exp(-beta * x)). Source: swish_layer.cpp; Ramachandran, Zoph and Le 2017."""

    beta: float = param("swish_param.beta")

    def torch(self, em: Any, x: Any) -> str:
        return f"F.silu({x})" if self.beta == 1 else f"{x} * torch.sigmoid({affine(x, self.beta, 0)})"

    def onnx(self, g: Any, x: Any) -> Any:
        return g.op("Mul", x, g.op("Sigmoid", affine_nodes(g, x, self.beta, 0)))
