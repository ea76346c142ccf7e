"""Permute: the axes in another order."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, layer, overtaken, param, text


@layer("Permute", fork="SSD")
class Permute(Layer):
    """Axis i of the top is axis order[i] of x; axes that `order` leaves out follow in their own order.

    Where that changes nothing, the top is the bottom's memory.

    Source: permute_layer.cpp of weiliu89/caffe, branch ssd.
    """

    order: tuple[int, ...] = param("permute_param.order", ())

    def axes(self, x: Shape) -> tuple[int, ...]:
        """The axis of x that each axis of the top is."""
        for i, axis in enumerate(self.order):
            if axis >= len(x):
                raise Misfit(f"order has axis {axis} for a bottom of shape {text(x)}; want less than {len(x)}")
            if axis in self.order[:i]:
                raise Misfit(f"order has axis {axis} twice; want each once")
        return (*self.order, *(axis for axis in range(len(x)) if axis not in self.order))

    def shapes(self, x: Shape) -> Sequence[Shape]:
        return [tuple(x[axis] for axis in self.axes(x))]

    def shares_memory(self, bottoms: int, tops: int) -> bool:
        return self.order == tuple(range(len(self.order)))

    over = overtaken

    def torch(self, em: Emitter, x: Term) -> str:
        return f"{x}.permute({', '.join(map(str, self.axes(x.shape))) or '()'})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        return g.transpose(x, self.axes(x.shape))
