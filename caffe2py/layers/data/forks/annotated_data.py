"""AnnotatedData: pictures with boxes."""

from __future__ import annotations

from caffe2py.layers.base import layer
from caffe2py.layers.data.forks.source import ForkSource


@layer("AnnotatedData", bottoms=0, tops=(1, 2), is_input=True, fork="SSD")
class AnnotatedData(ForkSource):
    """Pictures from a LevelDB or LMDB, and the boxes in them. Source: annotated_data_layer.cpp."""
