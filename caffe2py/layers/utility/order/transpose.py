"""Transpose: the axes in another order, each of them named."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, layer, overtaken, param, text


@layer("Transpose", fork="CTPN")
class Transpose(Layer):
    """Axis i of the top is axis dim[i] of x; `dim` names every axis.

    Source: transpose_layer.cpp of tianzhi0549/CTPN.
    """

    dim: tuple[int, ...] = param("transpose_param.dim", ())

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if sorted(self.dim) != list(range(len(x))):
            raise Misfit(f"dim is {text(self.dim)} for a bottom of shape {text(x)}; want each axis once")
        return [tuple(x[axis] for axis in self.dim)]

    over = overtaken

    def torch(self, em: Emitter, x: Term) -> str:
        return f"{x}.permute({', '.join(map(str, self.dim)) or '()'})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        return g.transpose(x, self.dim)
