"""Flatten a range of axes into one."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, axis, count, layer, param


@layer("Flatten", in_place=False)
class Flatten(Layer):
    """Axes `axis` to `end_axis`, both included, become one. Where the end is right before the start, a 1 is put in.

    Source: flatten_layer.cpp.
    """

    axis: int = param("flatten_param.axis")
    end_axis: int = param("flatten_param.end_axis")

    def shares_memory(self, bottoms: int, tops: int) -> bool:
        return True

    def shapes(self, x: Shape) -> Sequence[Shape]:
        start, end = axis(self.axis, x), axis(self.end_axis, x, "end_axis")
        if end < start - 1:
            raise Misfit(f"end_axis {self.end_axis} is before axis {self.axis}")
        return [(*x[:start], count(x, start, end + 1), *x[end + 1 :])]

    def torch(self, em: Emitter, x: Term) -> str:
        if axis(self.end_axis, x.shape) < axis(self.axis, x.shape):
            return f"{x}.unsqueeze({axis(self.axis, x.shape)})"
        return f"{x}.flatten({self.axis})" if self.end_axis == -1 else f"{x}.flatten({self.axis}, {self.end_axis})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        whole = axis(self.axis, x.shape) == 1 and axis(self.end_axis, x.shape) == len(x.shape) - 1
        return g.flatten(x, 1) if whole else g.reshape(x, g.tops[0])
