"""A blob: numbers and their gradient, in a shape."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from caffe2py.runtime.blobs.memory import Memory, Shape

LARGEST = 2**31 - 1  # Caffe counts the numbers of a blob in 32 bits


class Blob:
    """Data and diff of one shape. Several blobs may share their memory, as the tops of a Split do."""

    __slots__ = ("__weakref__", "_shape", "data_memory", "diff_memory")

    def __init__(self, shape: Sequence[int] = (0,)) -> None:
        self._shape: Shape = tuple(shape)
        count = math.prod(self._shape)
        self.data_memory = Memory(count)
        self.diff_memory = Memory(count)

    @property
    def shape(self) -> Shape:
        """The size of each axis."""
        return self._shape

    @property
    def data(self) -> np.ndarray:
        """The values, live: what is written to the array, the next layer reads."""
        return self.data_memory.array(self._shape)

    @property
    def diff(self) -> np.ndarray:
        """The gradient, live."""
        return self.diff_memory.array(self._shape)

    @property
    def count(self) -> int:
        """How many values there are."""
        return math.prod(self._shape)

    @property
    def num(self) -> int:
        """The first of four axes, 1 where there is none; so for the next three."""
        return self._legacy(0)

    @property
    def channels(self) -> int:
        return self._legacy(1)

    @property
    def height(self) -> int:
        return self._legacy(2)

    @property
    def width(self) -> int:
        return self._legacy(3)

    def _legacy(self, index: int) -> int:
        if len(self._shape) > 4:
            raise RuntimeError(f"a blob of {len(self._shape)} axes has no num, channels, height and width; want shape")
        return self._shape[index] if index < len(self._shape) else 1

    def reshape(self, *shape: int, **settings: int) -> None:
        """Give the blob another shape. Its first values stay where the old memory has room for the new shape."""
        if settings:
            raise RuntimeError("Blob.reshape takes no kwargs")
        dims = tuple(int(d) for d in shape)
        if len(dims) > 32 or any(d < 0 for d in dims) or math.prod(dims) > LARGEST:
            raise RuntimeError(f"a blob cannot have the shape {dims}; want up to 32 axes, none negative")
        self._shape = dims
        self.data_memory.fit(self.count)
        self.diff_memory.fit(self.count)

    def tensor(self) -> torch.Tensor:
        """The data as a tensor on the device that computes."""
        return self.data_memory.tensor(self._shape)

    def gradient(self) -> torch.Tensor:
        """The diff as a tensor on the device that computes."""
        return self.diff_memory.tensor(self._shape)

    def take(self, result: torch.Tensor) -> None:
        """Make a layer's result the data, and its shape the blob's."""
        self._shape = tuple(result.shape)
        self.data_memory.take(result)

    def fill(self, values: np.ndarray) -> None:
        """Write values into the data where it is, and take their shape."""
        self.reshape(*values.shape)
        self.data_memory.set(values)

    def share_data(self, other: Blob) -> None:
        """Have the data of another blob of as many values."""
        self.data_memory = other.data_memory

    def share_diff(self, other: Blob) -> None:
        """Have the diff of another blob of as many values."""
        self.diff_memory = other.diff_memory
