"""ChannelNorm: the length of each pixel's vector."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, count, layer, text


@layer("ChannelNorm", fork="FlowNet", formula=True)
class ChannelNorm(Layer):
    """top = sqrt(sum over the channels of x^2). x (N, C, H, W), top (N, 1, H, W).

    From channel_norm_layer.cu of FlowNet 2, which runs on a GPU alone.
    """

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if len(x) != 4:
            raise Misfit(f"has a bottom of shape {text(x)}; want 4 axes (num, channels, height, width)")
        return [(x[0], 1, *x[2:])]

    def torch(self, em: Emitter, x: Term) -> str:
        return f"torch.linalg.vector_norm({x}, dim=1, keepdim=True)"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        return g.reduce("ReduceL2", x, [1])

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(bottoms[0])
