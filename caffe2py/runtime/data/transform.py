"""`transform_param`: a mean taken off, a scale, a crop and a mirror image (data_transformer.cpp)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from caffe2py.layers.base import Misfit, Shape
from caffe2py.proto.weights.mean import read_mean
from caffe2py.runtime.mode import rng


class Transformer:
    """(pixel - mean) * scale of arrays (channels, height, width).

    In phase TRAIN the crop and the choice of the mirror image are random; in TEST the crop is the middle.
    """

    def __init__(self, message: Any, tell: Callable[[str, str], None]) -> None:
        said = message.transform_param
        self.crop = int(said.crop_size)
        self.mirror = bool(said.mirror)
        self.scale = np.float32(said.scale)
        self.training = message.phase == 0
        self.values = np.array(said.mean_value, np.float32)
        self.mean: np.ndarray | None = None
        if said.HasField("mean_file"):
            if len(self.values):
                raise Misfit("Cannot specify mean_file and mean_value at the same time")
            tell("data_transformer.cpp:25", f"Loading mean file from: {said.mean_file}")
            self.mean = read_mean(said.mean_file)

    def size(self, shape: Shape) -> Shape:
        """What becomes of an array of this shape."""
        channels, height, width = shape
        if self.crop and (height < self.crop or width < self.crop):
            raise Misfit(f"crop_size is {self.crop}, and a sample is {height} x {width}; want a smaller crop")
        return (channels, self.crop, self.crop) if self.crop else (channels, height, width)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """The transformed array, float32."""
        channels, height, width = image.shape
        _, rows, columns = self.size(image.shape)
        top, left = self._corner(height - rows, width - columns)
        window = (slice(None), slice(top, top + rows), slice(left, left + columns))
        made = image[window].astype(np.float32)
        if self.mean is not None:
            if self.mean.shape != image.shape:
                raise Misfit(f"the mean is {self.mean.shape}, and a sample {image.shape}; want one shape")
            made -= self.mean[window]
        elif len(self.values):
            if len(self.values) not in (1, channels):
                raise Misfit(f"Specify either 1 mean_value or as many as channels: {channels}")
            made -= self.values[:, None, None]
        if self.scale != 1:
            made *= self.scale
        if self.mirror and rng().integers(2):
            made = made[:, :, ::-1]
        return made

    def _corner(self, rows: int, columns: int) -> tuple[int, int]:
        if self.crop and self.training:
            return int(rng().integers(rows + 1)), int(rng().integers(columns + 1))
        return rows // 2, columns // 2
