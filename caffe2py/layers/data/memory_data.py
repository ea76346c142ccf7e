"""MemoryData: samples that the program hands over."""

from __future__ import annotations

from caffe2py.layers.base import Layer, Misfit, Params, layer
from caffe2py.layers.data.data import Source


@layer("MemoryData", bottoms=0, tops=2, is_input=True)
class MemoryData(Source):
    """Samples of the sizes given, and labels. Source: memory_data_layer.cpp."""

    @classmethod
    def read(cls, params: Params) -> Layer:
        sizes = [params.get(f"memory_data_param.{w}", 0) for w in ("batch_size", "channels", "height", "width")]
        if not all(sizes):
            raise Misfit("leaves out a size; want batch_size, channels, height and width, each above 0")
        return cls(*sizes, 2)  # type: ignore[call-arg]
