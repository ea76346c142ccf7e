"""Normalize: each value over the length of its vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from caffe2py.layers.base import (
    Builder,
    Emitter,
    Filler,
    Handle,
    Layer,
    Misfit,
    Several,
    Shape,
    Term,
    count,
    deep,
    four,
    layer,
    meaning,
    param,
    top_count,
)


@dataclass(frozen=True)
class Lengths(Layer):
    """What both share: the length of each vector."""

    reads_back = "x"
    eps: float = 0.0

    def axes(self) -> tuple[int, ...]:
        """The axes of one vector."""
        return (1,)

    def length(self, whole: str) -> str:
        """The text of the root of the sum of squares."""
        return f"torch.sqrt(({whole} ** 2).sum({self.axes()}, keepdim=True) + {self.eps})"

    def onnx_length(self, g: Builder, x: Handle) -> Handle:
        total = g.reduce("ReduceSum", g.op("Mul", x, x), self.axes())
        return g.op("Sqrt", g.op("Add", total, self.eps))

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return 2 * count(tops[0])


@meaning("Normalize", fork="SSD", words=("norm_param",), blobs=(1,))
class ScaledNormalize(Lengths):
    """top = scale * x / sqrt(sum x^2 + eps).

    The sum is over the channels of a pixel, or with across_spatial over a sample. x up to 4 axes, the top always 4. One
    scale, or one for each channel. ParseNet's too. Source: normalize_layer.cpp of weiliu89/caffe, branch ssd; Liu et
    al. 2015.
    """

    fillers = {"scale": Filler("norm_param.scale_filler", otherwise=1.0)}
    across_spatial: bool = param("norm_param.across_spatial", True)
    channel_shared: bool = param("norm_param.channel_shared", True)
    eps: float = param("norm_param.eps", 1e-10)

    def axes(self) -> tuple[int, ...]:
        return (1, 2, 3) if self.across_spatial else (1,)

    def shapes(self, x: Shape) -> Sequence[Shape]:
        return [four(x)]

    def weights(self, x: Shape) -> Mapping[str, Shape]:
        return {"scale": () if self.channel_shared else (four(x)[1],)}

    def torch(self, em: Emitter, x: Term) -> str:
        whole = deep(x, 4 - len(x.shape))
        if not self.channel_shared:
            return em.call("scaled_norm", whole, em.parameter(0), axes=self.axes(), eps=self.eps)
        return f"{whole} / {self.length(whole)} * {em.parameter(0)}"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        x = g.reshape(x, four(x.shape))
        scale = g.weight(0, (1,) if self.channel_shared else (x.shape[1], 1, 1))
        return g.op("Mul", g.op("Div", x, self.onnx_length(g, x)), scale)


@meaning("Normalize", fork="happynear", tops=(1, 2), words=("normalize_param",), blobs=(0,))
class PlainNormalize(Lengths):
    """top = x / sqrt(sum x^2 + 1e-6), over the channels of each pixel; a second top is that root, (N, 1, H, W).

    x up to 4 axes, the tops always 4. Source: normalize_layer.cpp of happynear/caffe-windows.
    """

    kind: str = param("normalize_param.normalize_type", "L2")
    eps: float = 1e-6
    outputs: int = top_count()

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if self.kind != "L2":
            raise Misfit(f'normalizes by "{self.kind}"; want "L2"')
        top = four(x)
        return [top, (top[0], 1, *top[2:])][: self.outputs]

    def torch(self, em: Emitter, x: Term) -> Sequence[str]:
        whole = deep(x, 4 - len(x.shape))
        return [f"{whole} / {self.length(whole)}", self.length(whole)][: self.outputs]

    def onnx(self, g: Builder, x: Handle) -> Sequence[Handle]:
        x = g.reshape(x, four(x.shape))
        length = self.onnx_length(g, x)
        return [g.op("Div", x, length), length][: self.outputs]


@layer("Normalize", tops=(1, 2))
class Normalize(Several):
    """SSD's multiplies by a scale that is learned, happynear's has no blobs."""

    meanings = (ScaledNormalize, PlainNormalize)
