"""Axpy, the residual join of the SENet release."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import (
    Builder,
    Emitter,
    Handle,
    Layer,
    Misfit,
    Shape,
    Term,
    count,
    deep,
    four,
    layer,
    text,
    unsaid,
)


@layer("Axpy", bottoms=3, fork="SENet")
class Axpy(Layer):
    """top = scale * x + y, with one scale for each sample and channel.

    Bottoms: scale (N, C) or (N, C, 1, 1); x and y (N, C, ...). Top: like x.
    Source: axpy_layer.cpp of hujie-frank/SENet; Hu, Shen and Sun, Squeeze-and-Excitation Networks (2018).
    """

    reads_back = "x"
    overwritten: bool = unsaid(False)  # y has been copied over the scale

    def shapes(self, scale: Shape, x: Shape, y: Shape) -> Sequence[Shape]:
        if x != y:
            raise Misfit(f"x {text(x)} does not fit y {text(y)}; want the same shape")
        four(x)
        if scale[:2] != x[:2] or len(x) < 2 or count(scale, 2) != 1:
            raise Misfit(f"scale {text(scale)} does not fit x {text(x)}; want {text(x[:2])}")
        return [x]

    def over(self, bottoms: Sequence[int]) -> tuple[Layer, str]:
        return self.changed(overwritten=True), "Caffe's code copies y over the scale before it reads it"

    def torch(self, em: Emitter, scale: Term, x: Term, y: Term) -> str:
        scale = y if self.overwritten else scale
        if len(scale.shape) != len(x.shape):
            pairs = scale if len(scale.shape) == 2 else f"{scale}.flatten(1)"
            return f"{deep(pairs, len(x.shape) - 2)} * {x} + {y}"
        return f"{scale} * {x} + {y}"

    def onnx(self, g: Builder, scale: Handle, x: Handle, y: Handle) -> Handle:
        scale = y if self.overwritten else scale
        if len(scale.shape) != len(x.shape):
            scale = g.reshape(scale, (*x.shape[:2], *[1] * (len(x.shape) - 2)))

        def axpy(g: Builder, scale: Handle, x: Handle, y: Handle) -> Handle:
            return g.op("Add", g.op("Mul", scale, x), y)

        return g.function("Axpy", axpy, scale, x, y)

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0])
