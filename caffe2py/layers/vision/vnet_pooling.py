"""Pooling over three axes, as V-Net's Caffe has it under Caffe's own name."""

from __future__ import annotations

from caffe2py.layers.base import Layer, Misfit, Params, meaning
from caffe2py.layers.vision.pooling_nd import PoolingNd


@meaning("Pooling", fork="V-Net", formula=True)
class VNetPooling(PoolingNd):
    """The largest value, or the average, of each window of x (N, C, three axes): kernel_size has a value for each.

    From the fields of faustomilletari/3D-Caffe's proto; nobody ran it for a record.
    """

    @classmethod
    def read(cls, params: Params) -> Layer:
        if params.get("pooling_param.axis", 1) != 1 or params.get("pooling_param.global_pooling"):
            raise Misfit("has another axis than 1, or pools globally, over volumes; want windows behind the channels")
        words = {"kernel": "kernel_size", "stride": "stride", "pad": "pad"}
        shapes = {name: params.all(f"pooling_param.{word}") for name, word in words.items()}
        return cls(params.get("pooling_param.pool"), **shapes)
