"""PReLU: a ReLU whose slope below zero is learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from caffe2py.layers.base import (
    Builder,
    Emitter,
    Filler,
    Handle,
    Layer,
    Misfit,
    Shape,
    Term,
    count,
    four,
    layer,
    param,
    text,
)


@layer("PReLU")
class PReLU(Layer):
    """top = max(x, 0) + slope * min(x, 0), with one slope for each channel (axis 1) or one for all.

    x (N, C, ...). Blobs: slope (C), or () with channel_shared. Source: prelu_layer.cpp; He et al. 2015.
    """

    fillers = {"slope": Filler("prelu_param.filler", otherwise=0.25)}
    channel_shared: bool = param("prelu_param.channel_shared")

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if len(x) < 2:
            raise Misfit(f"has a bottom of shape {text(x)}; want at least 2 axes")
        four(x)
        return [x]

    def weights(self, x: Shape) -> Mapping[str, Shape]:
        return {"slope": () if self.channel_shared else (x[1],)}

    def read_back(self, in_place: bool) -> str:
        return "" if in_place else "x"  # in place Caffe keeps the bottom

    def torch(self, em: Emitter, x: Term) -> str:
        return f"F.prelu({x}, {em.parameter(0)})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        return g.op("PRelu", x, g.weight(0, (1 if self.channel_shared else x.shape[1], *[1] * (len(x.shape) - 2))))

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0])
