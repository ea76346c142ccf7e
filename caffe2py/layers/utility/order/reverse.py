"""Reverse: one axis backwards."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Shape, Term, axis, layer, overtaken, param


@layer("Reverse", fork="CTPN")
class Reverse(Layer):
    """x with its `axis` backwards. Source: reverse_layer.cpp of tianzhi0549/CTPN."""

    axis: int = param("reverse_param.axis", 0)

    def shapes(self, x: Shape) -> Sequence[Shape]:
        axis(self.axis, x)
        return [x]

    over = overtaken

    def torch(self, em: Emitter, x: Term) -> str:
        return f"{x}.flip({axis(self.axis, x.shape)})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        return backwards(g, x, axis(self.axis, x.shape))


def backwards(g: Builder, x: Handle, at: int) -> Handle:
    """x with one axis backwards, of whatever size."""
    return Handle(g.slice(x, at, -1, -(2**62), -1), x.shape)
