"""ELU."""

from __future__ import annotations

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Term, layer, param


@layer("ELU")
class ELU(Layer):
    """top = max(x, 0) + alpha * (exp(min(x, 0)) - 1), with gradient alpha at 0. Source: elu_layer.cpp; Clevert 2015."""

    alpha: float = param("elu_param.alpha")

    def torch(self, em: Emitter, x: Term) -> str:
        return f"F.elu({x})" if self.alpha == 1 else f"F.elu({x}, {self.alpha})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        return g.op("Elu", x, alpha=self.alpha)
