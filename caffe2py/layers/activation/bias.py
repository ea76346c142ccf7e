"""Bias: a sum with broadcasting, of a learned blob or a second bottom."""

from __future__ import annotations

from collections.abc import Mapping

from caffe2py.layers.activation.scale import Broadcast
from caffe2py.layers.base import Builder, Emitter, Filler, Handle, Shape, Term, layer, param


@layer("Bias", bottoms=(1, 2))
class Bias(Broadcast):
    """top = x + bias, with the bias spread over the axes of x it does not have.

    x any shape; bias has the shape of x from `axis` on, `num_axes` of them (-1: to the end, 0: one number), or
    is bottom 1. Blobs: bias where there is one bottom. Source: bias_layer.cpp.
    """

    fillers = {"bias": Filler("bias_param.filler")}
    axis: int = param("bias_param.axis")
    num_axes: int = param("bias_param.num_axes")

    def weights(self, x: Shape, *second: Shape) -> Mapping[str, Shape]:
        return {"bias": self.operand(x)} if self.learned else {}

    def torch(self, em: Emitter, x: Term, *second: Term) -> str:
        shape = self.operand(x.shape, *(s.shape for s in second))
        return f"{x} + {self.spread(second[0] if second else em.parameter(0), shape, x)}"

    def onnx(self, g: Builder, x: Handle, *second: Handle) -> Handle:
        spread = self.spread_shape(x.shape, self.operand(x.shape, *(s.shape for s in second)))
        return g.op("Add", x, g.reshape(second[0], spread) if second else g.weight(0, spread))
