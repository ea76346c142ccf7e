"""What the losses share: where their label stands, which labels count, and what the sum is divided by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from caffe2py.layers.base import Layer, Misfit, Params, Shape, count, optional, read_fields, text, top_count


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


def same_samples(x: Shape, label: Shape) -> None:
    """`Misfit` unless x and its label have as many samples."""
    if x[:1] != label[:1]:
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
