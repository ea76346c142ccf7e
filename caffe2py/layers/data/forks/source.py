"""What the data layers of forks share: pictures, whose size is told in one of several ways, and what is with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from caffe2py.layers.base import Layer, Params, Shape
from caffe2py.layers.data.data import Source
from caffe2py.layers.data.told import told_number, told_size


@dataclass(frozen=True)
class ForkSource(Source):
    """Pictures (batch_size, channels, height, width), and tops that are made for training, of no known shape.

    Channels are as many as there are mean_value, where those are several; else what `is_color` says.
    """

    colored: ClassVar[str] = ""  # the field that tells whether the pictures have colours

    @classmethod
    def read(cls, params: Params) -> Layer:
        means = len(params.all("transform_param.mean_value"))
        color, gray = (params.get(f"transform_param.force_{word}") for word in ("color", "gray"))
        channels = means if means > 1 else 3 if color else 1 if gray else 0
        if not channels and cls.colored:
            channels = 3 if params.get(cls.colored, True) else 1
        height, width = told_size(params)[0]
        return cls(told_number(params, "batch_size") or 1, channels, height, width, len(params.message.top))

    def shapes(self, *bottoms: Shape) -> Sequence[Shape | None]:
        pictures = (self.batch_size, self.channels, self.height, self.width)
        return [pictures if all(pictures) else None, *[None] * (self.outputs - 1)]
