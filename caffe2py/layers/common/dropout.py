"""Dropout."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, layer, param


@layer("Dropout")
class Dropout(Layer):
    """In training top = x * mask / (1 - ratio), the mask 0 with probability ratio; else top = x.

    Source: dropout_layer.cpp.
    """

    ratio: float = param("dropout_param.dropout_ratio")

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if not 0 <= self.ratio <= 1:
            raise Misfit(f"dropout_ratio is {self.ratio:g}; want 0 to 1")
        return [x]

    def draws(self, phase: str) -> bool:
        return phase == "TRAIN" and self.ratio > 0

    def torch(self, em: Emitter, x: Term) -> str:
        return f"F.dropout({x}, {self.ratio}, {em.training})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        if g.phase == "TRAIN":
            raise Misfit("drops at random in phase TRAIN; want phase TEST")
        return x
