"""Deconvolution: the transpose of a convolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from caffe2py.layers.base import Shape, count, layer, same
from caffe2py.layers.convolution import Windowed


@layer("Deconvolution", bottoms=(1, None), tops="same")
class Deconvolution(Windowed):
    """top = what a convolution of these parameters has x as its gradient's source: its backward pass on x, plus a bias.

    x (N, C, spatial...); top (N, num_output, stride (in - 1) + dilation (kernel - 1) + 1 - 2 pad).
    Blobs: weight (C, num_output / group, kernel...), bias (num_output). Source: deconv_layer.cpp, base_conv_layer.cpp.
    """

    def sized(self, x: Shape) -> list[int]:
        spatial = x[self.channel_axis(x) + 1 :]
        return [s * (n - 1) + d * (k - 1) + 1 - 2 * p for n, k, s, p, d in zip(spatial, *self.window(x), strict=True)]

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        same(bottoms, "all bottoms of a Deconvolution have one shape")
        x = bottoms[0]
        self.check_groups(x)
        return [(*x[: self.channel_axis(x)], self.num_output, *self.sized(x))] * len(bottoms)

    def weights(self, *bottoms: Shape) -> Mapping[str, Shape]:
        x = bottoms[0]
        channels = x[self.channel_axis(x)]
        blobs: dict[str, Shape] = {"weight": (channels, self.num_output // self.group, *self.window(x)[0])}
        return blobs | {"bias": (self.num_output,)} if self.bias_term else blobs

    def torch(self, em: Any, *bottoms: Any) -> Sequence[str]:
        module = self.module(em, "ConvTranspose", bottoms[0])
        return [self.apply(module, x) for x in bottoms]

    def onnx(self, g: Any, *bottoms: Any) -> Any:
        return self.nodes(g, "ConvTranspose", bottoms, self.blobs(g), self.group)

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return sum(count(x) for x in bottoms) * count(self.weights(*bottoms)["weight"], 1)
