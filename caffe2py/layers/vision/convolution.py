"""Convolution over any number of spatial axes."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Shape, count, layer
from caffe2py.layers.vision.convolving import Convolving


@layer("Convolution", bottoms=(1, None), tops="same")
class Convolution(Convolving):
    """top = weight * x + bias, the sliding inner product (no flip), for each bottom with the same weights.

    x (N, C, spatial...); top (N, num_output, (in + 2 pad - (dilation (kernel - 1) + 1)) / stride + 1).
    Blobs: weight (num_output, C / group, kernel...), bias (num_output). Source: base_conv_layer.cpp.
    """

    kind = "Conv"
    function = "conv"

    def kernel_shape(self, x: Shape) -> Shape:
        return (self.num_output, self.channels(x) // self.group, *self.window(x)[0])

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return sum(count(top) for top in tops) * count(self.kernel_shape(bottoms[0]), 1)
