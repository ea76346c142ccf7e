"""`caffe.Classifier`: class probabilities of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from caffe2py.pycaffe import io
from caffe2py.pycaffe.net import Net, Path
from caffe2py.pycaffe.proto.caffe_pb2 import TEST


class PictureNet(Net):
    """A net for pictures, with a `transformer` for its first input."""

    def __init__(
        self,
        model_file: Path,
        pretrained_file: Path,
        mean: np.ndarray | None,
        input_scale: float | None,
        raw_scale: float | None,
        channel_swap: Sequence[int] | None,
    ) -> None:
        super().__init__(model_file, TEST, weights=pretrained_file)
        in_ = self.inputs[0]
        self.transformer = io.Transformer({in_: self.blobs[in_].data.shape})
        self.transformer.set_transpose(in_, (2, 0, 1))
        if mean is not None:
            self.transformer.set_mean(in_, mean)
        if input_scale is not None:
            self.transformer.set_input_scale(in_, input_scale)
        if raw_scale is not None:
            self.transformer.set_raw_scale(in_, raw_scale)
        if channel_swap is not None:
            self.transformer.set_channel_swap(in_, channel_swap)


class Classifier(PictureNet):
    """A net that classifies pictures.

    `image_dims` is the size to which pictures are resized before they are cropped to the net's own; the other settings
    are those of `caffe.io.Transformer`.
    """

    def __init__(
        self,
        model_file: Path,
        pretrained_file: Path,
        image_dims: Sequence[int] | None = None,
        mean: np.ndarray | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
    ) -> None:
        super().__init__(model_file, pretrained_file, mean, input_scale, raw_scale, channel_swap)
        self.crop_dims = np.array(self.blobs[self.inputs[0]].data.shape[2:])
        self.image_dims: Any = image_dims if image_dims is not None and len(image_dims) else self.crop_dims

    def predict(self, inputs: Sequence[np.ndarray], oversample: bool = True) -> np.ndarray:
        """The net's first output (n, classes) for pictures (height, width, channels).

        With `oversample` the mean over ten crops: corners, middle, and their mirror images; else of the middle alone.
        """
        sized: Any = np.stack([io.resize_image(image, self.image_dims) for image in inputs])
        if oversample:
            sized = io.oversample(sized, list(self.crop_dims))
        else:
            middle = np.array(self.image_dims) / 2.0
            top, left = (middle - self.crop_dims / 2.0).astype(int)
            bottom, right = (middle + self.crop_dims / 2.0).astype(int)
            sized = sized[:, top:bottom, left:right, :]
        in_ = self.inputs[0]
        given: dict[str, Any] = {in_: np.stack([self.transformer.preprocess(in_, image) for image in sized])}
        predictions = self.forward_all(**given)[self.outputs[0]]
        if oversample:
            predictions = predictions.reshape(len(predictions) // 10, 10, -1).mean(1)
        return predictions
