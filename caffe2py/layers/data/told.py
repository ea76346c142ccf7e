"""What the parameters of a data layer tell of the size of its pictures, in the words of Caffe and of forks."""

from __future__ import annotations

from caffe2py.layers.base import Params

BLOCKS = ("data", "image_data", "memory_data", "window_data", "hdf5_data", "video_data", "dense_image_data", "seg_data")


def told_size(params: Params) -> tuple[tuple[int, int], str]:
    """Height and width, and the fields that tell them: crop_size, else new_height and new_width, else a resize."""
    crop = params.get("transform_param.crop_size", 0)
    ways = (
        ((crop, crop), "crop_size"),
        ((params.get("transform_param.crop_h", 0), params.get("transform_param.crop_w", 0)), "crop_h and crop_w"),
        ((told_number(params, "crop_size"),) * 2, "crop_size"),
        ((told_number(params, "new_height"), told_number(params, "new_width")), "new_height and new_width"),
        (tuple(params.get(f"transform_param.resize_param.{way}", 0) for way in ("height", "width")), "resize_param"),
    )
    for (height, width), name in ways:
        if height and width:
            return (height, width), name
    return (0, 0), ""


def told_number(params: Params, name: str) -> int:
    """The whole number that some block of a data layer gives for a field; 0 where none does."""
    values = (params.get(f"{block}_param.{name}", 0) for block in BLOCKS if params.has(f"{block}_param.{name}"))
    return next((v for v in values if isinstance(v, int)), 0)
