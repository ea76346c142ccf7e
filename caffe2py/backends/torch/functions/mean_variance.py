"""Normalisation by mean and variance with Caffe's gradient."""

import torch
from torch import Tensor


def mean_variance_norm(x: Tensor, axes: tuple[int, ...], eps: float) -> Tensor:
    """(x - mean) / (sqrt(variance) + eps). The gradient is as if the whole divisor were the deviation."""
    centred = x - x.mean(axes, keepdim=True)
    variance = (centred * centred).mean(axes, keepdim=True)
    # (sqrt(variance) + eps)^2 is variance plus this, which Caffe's gradient holds constant.
    rest = eps * (2 * torch.sqrt(variance.detach()) + eps)
    divisor = torch.sqrt(variance + rest)
    return centred / (
        divisor if eps >= 0 else divisor.copysign(variance.detach().sqrt() + eps)
    )
