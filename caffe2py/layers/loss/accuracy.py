"""Accuracy: how often the label is among the highest scores."""

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
    axis,
    layer,
    optional,
    param,
    top_count,
)
from caffe2py.layers.loss.losses import label_each, onnx_chosen, onnx_labels, onnx_sum


@layer("Accuracy", bottoms=2, tops=(1, 2))
class Accuracy(Layer):
    """top = the share of labels whose score is among the `top_k` highest; a tie with another score counts against.

    x (N, C, ...) with classes on `axis`; one label for each place of x without its classes; a label equal to
    ignore_label does not count. A second top (C) is the share for each class, 0 for one without labels. No gradient.
    Source: accuracy_layer.cpp.
    """

    top_k: int = param("accuracy_param.top_k")
    axis: int = param("accuracy_param.axis")
    ignore_label: int | None = optional("accuracy_param.ignore_label")
    outputs: int = top_count()

    def shapes(self, x: Shape, label: Shape) -> Sequence[Shape]:
        at = axis(self.axis, x)
        label_each(x, at, label)
        if self.top_k > x[at]:
            raise Misfit(f"top_k {self.top_k} is more than {x[at]} classes")
        return [(), (x[at],)][: self.outputs]

    def torch(self, em: Emitter, x: Term, label: Term) -> str:
        settings = {"axis": axis(self.axis, x.shape), "top_k": self.top_k}
        if self.ignore_label is not None:
            settings["ignore_label"] = self.ignore_label
        called = em.call("accuracy", x, label, **settings)
        return called if self.outputs == 2 else f"{called}[0]"

    def onnx(self, g: Builder, x: Handle, label: Handle) -> Sequence[Handle]:
        at = axis(self.axis, x.shape)
        _, chosen, counted = onnx_labels(g, label, x.shape, at, self.ignore_label)
        score = onnx_chosen(g, x, chosen, at)
        above = g.op("Or", g.op("Greater", x, score), g.op("Equal", x, score))
        hit = g.op("Less", g.reduce("ReduceSum", g.cast(above, "float"), [at]), self.top_k + 0.5)
        seen = g.cast(chosen if counted is None else g.op("And", chosen, counted), "float")
        hits = g.op("Mul", seen, g.cast(hit, "float"))
        total = g.op("Div", onnx_sum(g, hits), g.op("Max", onnx_sum(g, seen), 1.0))
        others = [i for i in range(len(x.shape)) if i != at]
        by_class = [g.reduce("ReduceSum", v, others, keepdims=False) for v in (hits, seen)]
        return [total, g.op("Div", by_class[0], g.op("Max", by_class[1], 1.0))][: self.outputs]
