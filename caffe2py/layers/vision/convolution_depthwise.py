"""ConvolutionDepthwise: each channel convolved with a kernel of its own."""

from __future__ import annotations

from caffe2py.layers.base import Layer, Misfit, Params, layer
from caffe2py.layers.vision.convolution import Convolution


@layer("ConvolutionDepthwise", fork="ShuffleNet", formula=True)
class ConvolutionDepthwise(Convolution):
    """A Convolution with as many groups as outputs, which are as many as x has channels; `group` need not be given.

    Blobs: weight (num_output, 1, kernel...), bias (num_output). From conv_dw_layer.cpp of farmingyard/ShuffleNet;
    nobody ran it for a record.
    """

    @classmethod
    def read(cls, params: Params) -> Layer:
        made = super().read(params)
        assert isinstance(made, Convolution)
        if params.has("convolution_param.group") and made.group != made.num_output:
            raise Misfit(f"gives group {made.group} for {made.num_output} outputs; it has a group for each")
        return made.changed(group=made.num_output)
