"""VideoData: pictures of films."""

from __future__ import annotations

from caffe2py.layers.base import layer
from caffe2py.layers.data.forks.source import ForkSource


@layer("VideoData", bottoms=0, tops=(1, 2), is_input=True, fork="yjxiong, C3D")
class VideoData(ForkSource):
    """Pictures, or flows, of films, and labels; their channels show by the weights that read them.

    Source: video_data_layer.cpp.
    """
