"""Reshape a range of axes."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import (
    Builder,
    Emitter,
    Handle,
    Layer,
    Misfit,
    Params,
    Shape,
    Term,
    count,
    layer,
    param,
    read_fields,
    text,
)


@layer("Reshape", in_place=False)
class Reshape(Layer):
    """`num_axes` axes from `axis` on (-1: all of them) become `dims`: 0 copies x's dimension, -1 takes what is left.

    A negative `axis` counts from behind the last: -1 is after it. Source: reshape_layer.cpp.
    """

    dims: tuple[int, ...] = ()
    axis: int = param("reshape_param.axis")
    num_axes: int = param("reshape_param.num_axes")

    @classmethod
    def read(cls, params: Params) -> Layer:
        shape = params.all("reshape_param.shape")
        dims = tuple(shape[-1].dim) if shape else ()
        if dims.count(-1) > 1 or min(dims, default=0) < -1:
            raise Misfit(f"shape {text(dims)} has more than one -1, or a dimension below it")
        return cls(**read_fields(cls, params), dims=dims)  # type: ignore[call-arg]

    def shares_memory(self, bottoms: int, tops: int) -> bool:
        return True

    def span(self, x: Shape) -> tuple[int, int]:
        """The first axis that changes and the one behind the last."""
        start = self.axis if self.axis >= 0 else len(x) + self.axis + 1
        end = len(x) if self.num_axes == -1 else start + self.num_axes
        if not 0 <= start <= len(x) or not start <= end <= len(x):
            raise Misfit(f"axis {self.axis} with num_axes {self.num_axes} is outside a bottom of shape {text(x)}")
        return start, end

    def shapes(self, x: Shape) -> Sequence[Shape]:
        start, end = self.span(x)
        copied = [i for i, d in enumerate(self.dims) if d == 0]
        if copied and start + copied[-1] >= len(x):
            raise Misfit(f"dim {copied[-1]} copies an axis that a bottom of shape {text(x)} does not have")
        dims = [x[start + i] if d == 0 else d for i, d in enumerate(self.dims)]
        whole, fixed = count(x), count(x, 0, start) * count(tuple(d for d in dims if d != -1)) * count(x, end)
        if -1 in dims:
            if not fixed or whole % fixed:
                raise Misfit(f"cannot make {text(tuple(dims))} of {text(x)}: {whole} values do not divide by {fixed}")
            dims[dims.index(-1)] = whole // fixed
        elif fixed != whole:
            raise Misfit(f"cannot make {text(tuple(dims))} of {text(x)}: {fixed} values for {whole}")
        return [(*x[:start], *dims, *x[end:])]

    def torch(self, em: Emitter, x: Term) -> str:
        start, end = self.span(x.shape)
        copied = {i: start + i for i, d in enumerate(self.dims) if d == 0}
        words = [f"{x}.shape[{i}]" for i in range(start)]
        words += [f"{x}.shape[{copied[i]}]" if i in copied else str(d) for i, d in enumerate(self.dims)]
        words += [f"{x}.shape[{i}]" for i in range(end, len(x.shape))]
        return f"{x}.reshape({', '.join(words) or '()'})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        return g.reshape(x, g.tops[0])

    def summary(self) -> str:
        return f"to {text(self.dims)}" + (f" from axis {self.axis}" if self.axis else "")
