"""MemoryData: samples that the program hands over."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from caffe2py.errors import NetError
from caffe2py.layers.base import Count, Params, Shape
from caffe2py.layers.data.memory_data import MemoryData
from caffe2py.runtime.blobs.blob import Blob
from caffe2py.runtime.data.feed import Feed


class MemoryFeed(Feed):
    """Batches of arrays that were set, in order and over again."""

    type = "MemoryData"
    tops = Count(2, 2)

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        said = MemoryData.read(params)
        self._shapes = [s for s in said.shapes() if s is not None]
        self._data: np.ndarray | None = None
        self._labels: np.ndarray | None = None
        self._at = 0

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        return self._shapes

    def set_arrays(self, data: np.ndarray, labels: np.ndarray) -> None:
        """Samples (n, channels, height, width) and labels (n, 1, 1, 1), n a multiple of the batch. RuntimeError."""
        batch = self._shapes[0][0]
        _check(data, "data array", self._shapes[0][1:])
        _check(labels, "labels array", (1, 1, 1))
        if len(data) != len(labels):
            raise RuntimeError("data and labels must have the same first dimension")
        if len(data) % batch:
            raise RuntimeError("first dimensions of input arrays must be a multiple of batch size")
        self._data, self._labels, self._at = data, labels, 0

    def load(self, tops: Sequence[Blob]) -> None:
        if self._data is None or self._labels is None:
            raise NetError(f'layer "{self.message.name}" (MemoryData) needs samples; want set_input_arrays before')
        end = self._at + self._shapes[0][0]
        tops[0].fill(self._data[self._at : end])
        tops[1].fill(self._labels[self._at : end].reshape(-1))
        self._at = end % len(self._data)


def _check(array: np.ndarray, name: str, sizes: Sequence[int]) -> None:
    if not array.flags.c_contiguous:
        raise RuntimeError(f"{name} must be C contiguous")
    if array.ndim != 4:
        raise RuntimeError(f"{name} must be 4-d")
    if array.dtype != np.float32:
        raise RuntimeError(f"{name} must be float32")
    for word, have, want in zip(("number of channels", "height", "width"), array.shape[1:], sizes, strict=True):
        if have != want:
            raise RuntimeError(f"{name} has wrong {word}")
