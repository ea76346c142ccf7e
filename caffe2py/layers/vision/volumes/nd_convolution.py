"""NdConvolution: a convolution over any number of axes, its window said by shapes."""

from __future__ import annotations

from typing import Any

from caffe2py.layers.base import Layer, Params, layer, read_fields
from caffe2py.layers.vision.convolution import Convolution


@layer("NdConvolution", bottoms=(1, None), tops="same", fork="video-caffe", formula=True)
class NdConvolution(Convolution):
    """A Convolution whose kernel, stride and pad are kernel_shape, stride_shape and pad_shape: a value for each axis.

    Blobs: weight (num_output, C / group, kernel...), bias (num_output). From cudnn_ndconv_layer.cu of
    chuckcho/video-caffe, which runs on a GPU alone.
    """

    @classmethod
    def read(cls, params: Params) -> Layer:
        shapes: dict[str, Any] = {
            word: params.all(f"convolution_param.{word}_shape.dim") for word in ("kernel", "stride", "pad")
        }
        return cls(**read_fields(cls, params), **shapes)
