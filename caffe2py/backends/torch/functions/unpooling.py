"""Poolings turned round."""

from torch import Tensor


def unpool(x: Tensor, mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Zeros of a size, with each value of x at the place of its map that the mask counts, h * W + w."""
    y = x.new_zeros(*x.shape[:2], size[0] * size[1])
    return y.scatter(2, mask.flatten(2).long(), x.flatten(2)).unflatten(2, size)
