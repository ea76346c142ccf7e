"""WindowData: windows cut from pictures."""

from __future__ import annotations

from caffe2py.layers.base import Layer, Misfit, Params, layer
from caffe2py.layers.data.data import Source


@layer("WindowData", bottoms=0, tops=2, is_input=True)
class WindowData(Source):
    """Windows of crop_size, in color, and labels. Source: window_data_layer.cpp."""

    @classmethod
    def read(cls, params: Params) -> Layer:
        crop = params.get("transform_param.crop_size")
        if not crop:
            raise Misfit("gives no crop_size; want the size of its windows")
        return cls(params.get("window_data_param.batch_size", 0), 3, crop, crop, 2)
