"""Slice along one axis."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from caffe2py.layers.base import (
    Builder,
    Emitter,
    Handle,
    Layer,
    Misfit,
    Params,
    Shape,
    Term,
    axis,
    layer,
    param,
    read_fields,
)


@layer("Slice", tops=(1, None))
class Slice(Layer):
    """x cut along `axis` (slice_dim in old files) at each slice_point, or into equal parts. Source: slice_layer.cpp."""

    axis: int = param("slice_param.axis")
    points: tuple[int, ...] = param("slice_param.slice_point")
    outputs: int = 1

    @classmethod
    def read(cls, params: Params) -> Layer:
        fields = read_fields(cls, params) | {"outputs": len(params.message.top)}
        if params.has("slice_param.slice_dim"):
            if params.has("slice_param.axis"):
                raise Misfit("gives both axis and slice_dim; want one of the two")
            fields["axis"] = params.get("slice_param.slice_dim")
        return cls(**fields)

    def may_be_in_place(self, bottoms: int, tops: int) -> bool:
        return tops == 1

    def shares_memory(self, bottoms: int, tops: int) -> bool:
        return tops == 1

    def shapes(self, x: Shape) -> Sequence[Shape]:
        at = axis(self.axis, x)
        if self.points:
            if len(self.points) != self.outputs - 1:
                raise Misfit(f"gives {len(self.points)} slice_point for {self.outputs} tops; want {self.outputs - 1}")
            edges = (0, *self.points, x[at])
        else:
            if x[at] % self.outputs:
                raise Misfit(f"cannot cut {x[at]} into {self.outputs} equal parts")
            edges = tuple(range(0, x[at] + 1, x[at] // self.outputs or 1))
        sizes = [b - a for a, b in pairwise(edges)]
        if min(sizes) <= 0:
            raise Misfit(f"slice_point {self.points} does not rise within an axis of {x[at]}")
        return [(*x[:at], n, *x[at + 1 :]) for n in sizes]

    def torch(self, em: Emitter, x: Term) -> str | Sequence[str]:
        if self.outputs == 1:
            return [x]
        cut = f"({', '.join(map(str, self.points))},)" if len(self.points) == 1 else str(self.points)
        return f"torch.tensor_split({x}, {cut if self.points else self.outputs}, {self.axis})"

    def onnx(self, g: Builder, x: Handle) -> Sequence[Handle]:
        at = axis(self.axis, x.shape)
        return g.split(x, [top[at] for top in g.tops], at)

    def summary(self) -> str:
        return f"axis {self.axis}" + (f" at {', '.join(map(str, self.points))}" if self.points else "")
