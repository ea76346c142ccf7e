"""DenseImageData: pictures with labels for every pixel."""

from __future__ import annotations

from caffe2py.layers.base import layer
from caffe2py.layers.data.forks.source import ForkSource


@layer("DenseImageData", bottoms=0, tops=(1, 2), is_input=True, fork="SegNet")
class DenseImageData(ForkSource):
    """Pictures from a list of files, with labels for every pixel. Source: dense_image_data_layer.cpp."""

    colored = "dense_image_data_param.is_color"
