"""Norm2Layer: the Python layer by which VGG-Face nets give vectors of length 1. Its Python is never run."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, count, text
from caffe2py.layers.utility.python import python_layer


@python_layer("norm2layer", "Norm2Layer", fork="VGG-Face", formula=True)
class Norm2Layer(Layer):
    """top = x / sqrt(sum x^2), for each sample. x (N, C)."""

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if len(x) < 2 or count(x, 2) != 1:
            raise Misfit(f"has a bottom of shape {text(x)}; want (N, C)")
        return [x]

    def torch(self, em: Emitter, x: Term) -> str:
        return f"{x} / torch.sqrt(({x} ** 2).sum(1, keepdim=True))"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        return g.op("Div", x, g.op("Sqrt", g.reduce("ReduceSum", g.op("Mul", x, x), [1])))

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return 2 * count(tops[0])
