"""DepthwiseConvolution: a convolution with a group for each channel."""

from __future__ import annotations

from caffe2py.layers.base import layer
from caffe2py.layers.vision.convolution import Convolution


@layer("DepthwiseConvolution", bottoms=(1, None), tops="same", fork="MobileNet")
class DepthwiseConvolution(Convolution):
    """A Convolution: what is special is how fast it is. `group` is as it is given, 1 otherwise.

    Source: depthwise_conv_layer.cpp of yonghenglh6/DepthwiseConvolution.
    """
