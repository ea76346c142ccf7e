"""`caffe.Detector`: windows of pictures, each through the net (R-CNN)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from caffe2py.pycaffe import io
from caffe2py.pycaffe.classifier import PictureNet
from caffe2py.pycaffe.net import Path

Window = Sequence[int]  # ymin, xmin, ymax, xmax


class Detector(PictureNet):
    """A net that scores windows.

    `context_pad` is how many pixels of what is around a window the net's input shows; the other settings are those of
    `caffe.io.Transformer`.
    """

    def __init__(
        self,
        model_file: Path,
        pretrained_file: Path,
        mean: np.ndarray | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
        context_pad: int | None = None,
    ) -> None:
        super().__init__(model_file, pretrained_file, mean, input_scale, raw_scale, channel_swap)
        self.configure_crop(context_pad)

    def detect_windows(self, images_windows: Iterable[tuple[str, Any]]) -> list[dict[str, Any]]:
        """For pairs of a picture's file and its windows (ymin, xmin, ymax, xmax): window, prediction and filename."""
        pairs = [(name, list(windows)) for name, windows in images_windows]
        crops = []
        for name, windows in pairs:
            image = io.load_image(name).astype(np.float32)
            crops += [self.crop(image, window) for window in windows]
        in_ = self.inputs[0]
        given: dict[str, Any] = {in_: np.stack([self.transformer.preprocess(in_, crop) for crop in crops])}
        predictions = self.forward_all(**given)[self.outputs[0]]
        named = [(name, window) for name, windows in pairs for window in windows]
        return [
            {"window": window, "prediction": prediction, "filename": name}
            for (name, window), prediction in zip(named, predictions, strict=True)
        ]

    def detect_selective_search(self, image_fnames: Sequence[str]) -> list[dict[str, Any]]:
        """`detect_windows` on the windows of selective search, which is a package of its own."""
        import selective_search_ijcv_with_python as selective_search

        files = [os.path.abspath(name) for name in image_fnames]
        windows = selective_search.get_windows(files, cmd="selective_search_rcnn")
        return self.detect_windows(zip(image_fnames, windows, strict=True))

    def crop(self, im: np.ndarray, window: Window) -> np.ndarray:
        """The window of a picture; with context, at the net's size, with the mean where the picture ends."""
        if not self.context_pad:
            return im[window[0] : window[2], window[1] : window[3]]
        size = self.blobs[self.inputs[0]].width
        scale = size / (size - 2.0 * self.context_pad)
        low, high = np.array(window[:2], float), np.array(window[2:], float)
        half = (high - low + 1) / 2
        low, high = np.round(low + half - scale * half), np.round(low + half + scale * half)
        factor = size / (high - low + 1)
        pad = np.round(np.maximum(0, -low) * factor).astype(int)  # outside of the picture
        low, high = (np.clip(edge, 0, im.shape[:2]).astype(int) for edge in (low, high))
        inner = np.round((high - low + 1) * factor).astype(int)
        inner = np.minimum(inner, size - pad)
        made = np.ones(self.crop_dims, dtype=np.float32) * self.crop_mean
        seen = io.resize_image(im[low[0] : high[0], low[1] : high[1]], inner)
        made[pad[0] : pad[0] + inner[0], pad[1] : pad[1] + inner[1]] = seen
        return made

    def configure_crop(self, context_pad: int | None) -> None:
        """Say how many pixels around a window the net's input shows."""
        in_ = self.inputs[0]
        back = np.argsort(self.transformer.transpose[in_])
        self.crop_dims = np.array(self.blobs[in_].data.shape[1:])[back]
        self.context_pad = context_pad
        if not context_pad:
            return
        mean = self.transformer.mean.get(in_)
        if mean is None:
            self.crop_mean = np.zeros(self.crop_dims, dtype=np.float32)
            return
        picture = mean.transpose(back)  # the mean as it stands in a picture
        if in_ in self.transformer.channel_swap:
            picture = picture[:, :, np.argsort(self.transformer.channel_swap[in_])]
        self.crop_mean = picture / self.transformer.raw_scale.get(in_, 1.0)
