"""Dropout."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, layer, param


@layer("Dropout")
class Dropout(Layer):
    """In training top = x * mask / (1 - ratio), the mask 0 with probability ratio; else top = x.

    With scale_train: false (Faster R-CNN, R-FCN) it is x * mask in training, else x * (1 - ratio). With
    sample_weights_test (Bayesian SegNet) values drop at test as in training. Source: dropout_layer.cpp.
    """

    ratio: float = param("dropout_param.dropout_ratio")
    scale_train: bool = param("dropout_param.scale_train", True)
    sample_weights_test: bool = param("dropout_param.sample_weights_test", False)

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if not 0 <= self.ratio <= 1:
            raise Misfit(f"dropout_ratio is {self.ratio:g}; want 0 to 1")
        return [x]

    def draws(self, phase: str) -> bool:
        return self.ratio > 0 and (phase == "TRAIN" or self.sample_weights_test)

    def torch(self, em: Emitter, x: Term) -> str:
        dropped = f"F.dropout({x}, {self.ratio}, {self.sample_weights_test or em.training})"
        return dropped if self.scale_train else f"{dropped} * {1 - self.ratio}"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        if g.phase == "TRAIN":
            raise Misfit("drops at random in phase TRAIN; want phase TEST")
        if self.sample_weights_test:
            g.need(12, "dropping values at test")
            x = g.op("Dropout", x, self.ratio, g.constant(True, "drops"), shape=x.shape)
        return x if self.scale_train else g.op("Mul", x, 1 - self.ratio)
