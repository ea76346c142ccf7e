"""NdPooling: pooling over any number of axes, its window said by shapes."""

from __future__ import annotations

from caffe2py.layers.base import Layer, Params, layer
from caffe2py.layers.vision.pooling_nd import PoolingNd


@layer("NdPooling", fork="video-caffe", formula=True)
class NdPooling(PoolingNd):
    """Pooling whose kernel, stride and pad are kernel_shape, stride_shape and pad_shape: a value for each axis.

    x (N, C, two or three axes). Sizes round up, as in Caffe's Pooling. From cudnn_ndpooling_layer.cu of
    chuckcho/video-caffe, which runs on a GPU alone.
    """

    @classmethod
    def read(cls, params: Params) -> Layer:
        shapes = {word: params.all(f"pooling_param.{word}_shape.dim") for word in ("kernel", "stride", "pad")}
        return cls(params.get("pooling_param.pool"), **shapes)
