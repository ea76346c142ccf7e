"""ImageSegData: pictures with labels for every pixel."""

from __future__ import annotations

from caffe2py.layers.base import layer
from caffe2py.layers.data.forks.source import ForkSource


@layer("ImageSegData", bottoms=0, tops=(1, 4), is_input=True, fork="DeepLab")
class ImageSegData(ForkSource):
    """Pictures from a list of files, with labels for every pixel, and sizes. Source: image_seg_data_layer.cpp."""

    colored = "image_data_param.is_color"
