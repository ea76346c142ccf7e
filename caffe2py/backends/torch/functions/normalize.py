"""Vectors of length 1 with Caffe's gradient."""

import torch
from torch import Tensor


def scaled_norm(
    x: Tensor, scale: Tensor, axes: int | tuple[int, ...], eps: float
) -> Tensor:
    """scale * x / sqrt(sum x^2 + eps), a scale for each channel. Caffe multiplies by it last in the gradient too."""
    factor = scale[:, None, None]
    x = x.detach() + factor.detach() * (x - x.detach())
    y = x / torch.sqrt((x**2).sum(axes, keepdim=True) + eps)
    return factor * y.detach() + (y - y.detach())
