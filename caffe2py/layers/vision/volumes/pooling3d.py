"""Pooling3D: pooling over length, height and width."""

from __future__ import annotations

from caffe2py.layers.base import Layer, Params, layer
from caffe2py.layers.vision.pooling_nd import PoolingNd
from caffe2py.layers.vision.volumes.convolution3d import block_of, three


@layer("Pooling3D", fork="C3D", formula=True)
class Pooling3D(PoolingNd):
    """The largest value, or the average, of windows of kernel_depth x kernel_size x kernel_size of x (N, C, L, H, W).

    The stride of the length is temporal_stride, and nothing is padded there. Sizes round up, as in Caffe's Pooling.
    The parameters stand in pooling3d_param, and in C3D 1.0 in pooling_param. From pooling3d_layer.cpp of facebook/C3D;
    nobody ran it for a record.
    """

    @classmethod
    def read(cls, params: Params) -> Layer:
        block = block_of(params, "pooling3d_param", "pooling_param")
        return cls(params.get(f"{block}.pool", "MAX"), **three(params, block))
