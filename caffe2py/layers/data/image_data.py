"""ImageData: pictures from a list of files."""

from __future__ import annotations

from caffe2py.layers.base import Layer, Params, layer
from caffe2py.layers.data.data import Source


@layer("ImageData", bottoms=0, tops=2, is_input=True)
class ImageData(Source):
    """Pictures of crop_size, else of new_height x new_width, and labels. Source: image_data_layer.cpp."""

    @classmethod
    def read(cls, params: Params) -> Layer:
        crop = params.get("transform_param.crop_size")
        height, width = (params.get(f"image_data_param.new_{word}") for word in ("height", "width"))
        channels = 3 if params.get("image_data_param.is_color") else 1
        return cls(params.get("image_data_param.batch_size"), channels, crop or height, crop or width, 2)
