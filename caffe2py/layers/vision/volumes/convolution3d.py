"""Convolution3D: a convolution over length, height and width."""

from __future__ import annotations

from typing import Any

from caffe2py.layers.base import Layer, Misfit, Params, layer
from caffe2py.layers.vision.convolution import Convolution


@layer("Convolution3D", bottoms=(1, None), tops="same", fork="C3D", formula=True)
class Convolution3D(Convolution):
    """A Convolution of x (N, C, L, H, W) with a kernel of kernel_depth x kernel_size x kernel_size.

    temporal_stride and temporal_pad are those of the length, stride and pad those of height and width. They stand in
    convolution3d_param, and in C3D 1.0 in convolution_param. Blobs: weight (num_output, C / group, kernel...), bias
    (num_output). From convolution3d_layer.cpp of facebook/C3D; nobody ran it for a record.
    """

    @classmethod
    def read(cls, params: Params) -> Layer:
        block = block_of(params, "convolution3d_param", "convolution_param")
        if params.get(f"{block}.filter_group", 1) != 1:
            raise Misfit("has a filter_group, whose meaning is not known; want 1, or none")
        names = {"num_output": 0, "group": 1, "bias_term": True}
        words: dict[str, Any] = {name: params.get(f"{block}.{name}", value) for name, value in names.items()}
        return cls(**words, **three(params, block))


def block_of(params: Params, new: str, old: str) -> str:
    """Where the parameters stand: in the block of C3D 1.1, or in that of 1.0."""
    return new if params.mentions(new) else old


def three(params: Params, block: str) -> dict[str, Any]:
    """Kernel, stride and pad over length, height and width."""
    depth, size = params.get(f"{block}.kernel_depth"), params.get(f"{block}.kernel_size")
    if not depth or not size:
        raise Misfit("gives no kernel; want kernel_size and kernel_depth, 1 or more")
    strides = [params.get(f"{block}.{word}", 1) for word in ("temporal_stride", "stride", "stride")]
    pads = [params.get(f"{block}.{word}", 0) for word in ("temporal_pad", "pad", "pad")]
    return {"kernel": (depth, size, size), "stride": tuple(strides), "pad": tuple(pads)}
