"""What the losses share: where their label stands, which labels count, and what the sum is divided by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from caffe2py.layers.base import (
    Builder,
    Handle,
    Layer,
    Misfit,
    Params,
    Shape,
    count,
    optional,
    read_fields,
    text,
    top_count,
)


@dataclass(frozen=True)
class Counted(Layer):
    """A loss that may leave labels out and divides its sum by one of Caffe's four numbers.

    FULL is every label, VALID those that are not left out, BATCH_SIZE the samples before the class axis, NONE is 1;
    nothing is divided by less than 1. `normalize`, the field of old files, says VALID or BATCH_SIZE.
    """

    ignore_label: int | None = optional("loss_param.ignore_label")
    normalization: str = "VALID"
    outputs: int = top_count()

    @classmethod
    def read(cls, params: Params) -> Layer:
        normalization = cls.normalization
        if params.has("loss_param.normalization"):
            normalization = params.get("loss_param.normalization")
        elif params.has("loss_param.normalize"):
            normalization = "VALID" if params.get("loss_param.normalize") else "BATCH_SIZE"
        return cls(**read_fields(cls, params), normalization=normalization)

    def settings(self) -> dict[str, Any]:
        """The settings of the helper function."""
        ignored = {} if self.ignore_label is None else {"ignore_label": self.ignore_label}
        return {"normalization": self.normalization, **ignored}

    def onnx_mean(self, g: Builder, losses: Handle, counted: Handle | None, samples: Any) -> Handle:
        """The sum of the losses that count, divided by what `normalization` says."""
        if counted is not None:
            losses = g.op("Where", counted, losses, 0.0)
        total = onnx_sum(g, losses)
        if self.normalization == "VALID" and counted is not None:
            return g.op("Div", total, g.op("Max", onnx_sum(g, g.cast(counted, "float")), 1.0))
        numbers = {"NONE": 1, "BATCH_SIZE": samples}
        return g.op("Div", total, g.number(numbers.get(self.normalization, count(losses.shape))))


def onnx_sum(g: Builder, x: Handle) -> Handle:
    """The sum over all axes, a scalar."""
    return g.reduce("ReduceSum", x, range(len(x.shape)), keepdims=False)


def onnx_labels(
    g: Builder, label: Handle, shape: Sequence[Handle], at: int, ignored: int | None
) -> tuple[Handle, Handle, Handle | None]:
    """Labels as whole numbers in a shape with 1 for the classes; where each class is the label; which labels count."""
    import numpy as np  # here, so that a net can be shown without it

    whole = g.reshape(g.cast(label, "int64"), (*shape[:at], 1, *shape[at + 1 :]))
    classes = np.arange(shape[at]).reshape(-1, *[1] * (len(shape) - at - 1))
    chosen = g.op("Equal", whole, g.constant(classes, "classes"))
    counted = None if ignored is None else g.op("Not", g.op("Equal", whole, g.constant(ignored, "ignored")))
    return whole, chosen, counted


def onnx_chosen(g: Builder, x: Handle, chosen: Handle, at: int) -> Handle:
    """The value of x at the label, with 1 for the classes."""
    return g.reduce("ReduceSum", g.op("Where", chosen, x, 0.0), [at])


def same_samples(x: Shape, label: Shape) -> None:
    """`Misfit` unless x and its label have as many samples: what every loss asks for."""
    if not x or x[:1] != label[:1]:
        raise Misfit(f"has a label of shape {text(label)} for a bottom of shape {text(x)}; want as many samples")


def one_label(x: Shape, label: Shape) -> None:
    """`Misfit` unless there is one label for each sample."""
    same_samples(x, label)
    if count(label, 1) != 1:
        raise Misfit(f"has a label of shape {text(label)}; want one label for each of {count(label, 0, 1)} samples")


def label_each(x: Shape, at: int, label: Shape) -> None:
    """`Misfit` unless there is one label for each place of x outside its class axis `at`."""
    places = count(x, 0, at) * count(x, at + 1)
    if count(label) != places:
        bottom = f"a bottom of shape {text(x)} with classes on axis {at}"
        raise Misfit(f"has {count(label)} labels {text(label)} for {bottom}; want {places}")
