"""Scale: a product with broadcasting, by learned factors or by a second bottom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from caffe2py.layers.base import (
    Builder,
    Emitter,
    Filler,
    Handle,
    Layer,
    Misfit,
    Params,
    Shape,
    Term,
    axis,
    count,
    deep,
    layer,
    param,
    read_fields,
    text,
)


@dataclass(frozen=True)
class Broadcast(Layer):
    """What Scale and Bias share: a second operand whose axes start at `axis` of the first."""

    axis: int = 1
    num_axes: int = 1
    learned: bool = True  # the second operand is a learned blob, not a second bottom

    @classmethod
    def read(cls, params: Params) -> Layer:
        return cls(**read_fields(cls, params), learned=len(params.message.bottom) == 1)

    def start(self, x: Shape, operand: Shape = ()) -> int:
        """The axis of x at which the second operand starts; a scalar may start at 0 of anything."""
        return 0 if not self.learned and not operand else axis(self.axis, x)

    def operand(self, x: Shape, *second: Shape) -> Shape:
        """The shape of the second operand."""
        if second:
            operand, start = second[0], self.start(x, second[0])
            if x[start : start + len(operand)] != operand:
                raise Misfit(f"bottom 1 {text(operand)} does not fit bottom 0 {text(x)} from axis {start} on")
            return operand
        start = self.start(x)
        if self.num_axes == -1:
            return x[start:]
        if self.num_axes < -1 or start + self.num_axes > len(x):
            raise Misfit(f"num_axes {self.num_axes} from axis {start} on is outside a bottom of shape {text(x)}")
        return x[start : start + self.num_axes]

    def shapes(self, x: Shape, *second: Shape) -> Sequence[Shape]:
        self.operand(x, *second)
        return [x]

    def spread(self, operand: str, shape: Shape, x: Term) -> str:
        """The second operand's text with an axis of 1 for each axis of x that comes after it."""
        return deep(operand, len(self.spread_shape(x.shape, shape)) - len(shape))

    def spread_shape(self, x: Shape, operand: Shape) -> Shape:
        """The second operand's shape with an axis of 1 for each axis of x that comes after it."""
        return (*operand, *[1] * (len(x) - self.start(x, operand) - len(operand))) if operand else ()

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0])


@layer("Scale", bottoms=(1, 2))
class Scale(Broadcast):
    """top = x * scale + bias, with scale and bias spread over the axes of x they do not have.

    x any shape; scale has the shape of x from `axis` on, `num_axes` of them (-1: to the end, 0: one number), or
    is bottom 1. Blobs: scale where there is one bottom, bias with bias_term. Source: scale_layer.cpp.
    """

    fillers = {"weight": Filler("scale_param.filler", otherwise=1.0), "bias": Filler("scale_param.bias_filler")}
    axis: int = param("scale_param.axis")
    num_axes: int = param("scale_param.num_axes")
    bias_term: bool = param("scale_param.bias_term")

    def weights(self, x: Shape, *second: Shape) -> Mapping[str, Shape]:
        shape = self.operand(x, *second)
        names = (["weight"] if self.learned else []) + (["bias"] if self.bias_term else [])
        return dict.fromkeys(names, shape)

    def read_back(self, in_place: bool) -> str:
        return "" if in_place else "x"  # in place Caffe keeps the bottom

    def torch(self, em: Emitter, x: Term, *second: Term) -> str:
        shape = self.operand(x.shape, *(s.shape for s in second))
        text = f"{x} * {self.spread(second[0] if second else em.parameter(0), shape, x)}"
        if self.bias_term:
            text += f" + {self.spread(em.parameter(1 if self.learned else 0), shape, x)}"
        return text

    def onnx(self, g: Builder, x: Handle, *second: Handle) -> Handle:
        shape = self.operand(x.shape, *(s.shape for s in second))
        spread = self.spread_shape(x.shape, shape)
        top = g.op("Mul", x, g.reshape(second[0], spread) if second else g.weight(0, spread))
        return g.op("Add", top, g.weight(1 if self.learned else 0, spread)) if self.bias_term else top
