"""Crop one blob to the size of another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, axis, layer, param, text


@layer("Crop", bottoms=2)
class Crop(Layer):
    """The part of x that has the size of `like` on every axis from `axis` on, and starts at `offset` there.

    `offset` is one for all those axes, one for each, or 0. x and like have one rank; like has no gradient.
    Source: crop_layer.cpp. Without crop_param the forks of FCN and HED work the offset out from the net:
    graph/coordinates.py writes it into the layer.
    """

    axis: int = param("crop_param.axis")
    offset: tuple[int, ...] = param("crop_param.offset")

    def starts(self, x: Shape) -> list[int]:
        """The offset on each axis of x from `axis` on."""
        axes = len(x) - axis(self.axis, x)
        if len(self.offset) > 1 and len(self.offset) != axes:
            raise Misfit(f"gives {len(self.offset)} offset for {axes} axes; want one for each, one for all, or none")
        return list(self.offset) if len(self.offset) > 1 else [*self.offset, 0][:1] * axes

    def shapes(self, x: Shape, like: Shape) -> Sequence[Shape]:
        if len(like) < len(x):
            raise Misfit(f"crops {text(x)} to the size of {text(like)}; want at least as many axes")
        at = axis(self.axis, x)
        for i, start in enumerate(self.starts(x), at):
            if x[i] - start < like[i]:
                raise Misfit(f"axis {i} of {text(x)} has no {like[i]} values from offset {start} on")
        return [(*x[:at], *like[at : len(x)])]

    def torch(self, em: Emitter, x: Term, like: Term) -> str:
        at = axis(self.axis, x.shape)
        sizes = [f"{like}.shape[{at + i}]" for i in range(len(x.shape) - at)]
        cuts = [f"{o} : {o} + {s}" if o else f": {s}" for o, s in zip(self.starts(x.shape), sizes, strict=True)]
        return f"{x}[{', '.join([':'] * at + cuts)}]"

    def onnx(self, g: Builder, x: Handle, like: Handle) -> Handle:
        for i, start in enumerate(self.starts(x.shape), axis(self.axis, x.shape)):
            if x.shape[i] != like.shape[i]:
                cut = g.slice(x, i, start, start + like.shape[i])
                x = Handle(cut, (*x.shape[:i], like.shape[i], *x.shape[i + 1 :]))
        return x


def is_bare(message: Any) -> bool:
    """A Crop that says nothing of where it cuts."""
    return message.type == "Crop" and len(message.bottom) == 2 and not message.HasField("crop_param")
