"""Deconvolution: the transpose of a convolution."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Misfit, Shape, count, layer, text
from caffe2py.layers.vision.convolving import Convolving


@layer("Deconvolution", bottoms=(1, None), tops="same")
class Deconvolution(Convolving):
    """top = what a convolution of these parameters has x as its gradient's source: its backward pass on x, plus a bias.

    x (N, C, spatial...); top (N, num_output, stride (in - 1) + dilation (kernel - 1) + 1 - 2 pad).
    Blobs: weight (C, num_output / group, kernel...), bias (num_output). Source: deconv_layer.cpp, base_conv_layer.cpp.
    """

    kind = "ConvTranspose"
    function = "conv_transpose"

    def sized(self, x: Shape) -> list[int]:
        spatial = x[self.channel_axis(x) + 1 :]
        window = self.window(x)
        moves = zip(spatial, window.stride, window.extent, window.pad, strict=True)
        sizes = [s * (n - 1) + e - 2 * p for n, s, e, p in moves]
        if min(sizes, default=1) < 1:
            raise Misfit(f"has a bottom of shape {text(x)} and no top: the pad leaves {min(sizes)}; want a smaller pad")
        return sizes

    def kernel_shape(self, x: Shape) -> Shape:
        return (self.channels(x), self.num_output // self.group, *self.window(x)[0])

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return sum(count(x) for x in bottoms) * count(self.kernel_shape(bottoms[0]), 1)
