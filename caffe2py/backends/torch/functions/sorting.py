"""The largest values, with Caffe's order of equal ones."""

import torch
from torch import Tensor


def largest(x: Tensor, k: int, axis: int) -> tuple[Tensor, Tensor]:
    """The k largest values along an axis and their indices, as numbers; of equal values the highest index first."""
    values, index = torch.sort(x.flip(axis), dim=axis, descending=True, stable=True)
    return values.narrow(axis, 0, k), (x.shape[axis] - 1 - index.narrow(axis, 0, k)).to(
        x.dtype
    )
