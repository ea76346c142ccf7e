"""ShuffleChannel: the channels of groups one by one in turn."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, layer, overtaken, param, text


@layer("ShuffleChannel", fork="ShuffleNet")
class ShuffleChannel(Layer):
    """The first channel of each group, then the second of each: channel i * group + j is channel i of group j.

    x (N, C, ...), C a multiple of `group`. Source: shuffle_channel_layer.cpp of farmingyard/ShuffleNet; Zhang et al.,
    ShuffleNet (2018).
    """

    group: int = param("shuffle_channel_param.group", 1)

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if len(x) < 2 or self.group < 1 or x[1] % self.group:
            raise Misfit(f"group {self.group} does not divide the channels of a bottom of shape {text(x)}")
        return [x]

    def over(self, bottoms: Sequence[int]) -> None:
        if self.group > 1:
            overtaken(self, bottoms)

    def torch(self, em: Emitter, x: Term) -> str:
        return f"{x}.unflatten(1, ({self.group}, {x.shape[1] // self.group})).transpose(1, 2).flatten(1, 2)"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        batch, channels, *rest = x.shape
        parted = g.reshape(x, (batch, self.group, channels // self.group, *rest))
        return g.reshape(g.transpose(parted, (0, 2, 1, *range(3, len(rest) + 3))), x.shape)
