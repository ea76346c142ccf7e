"""Batch normalisation with Caffe's running sums."""

import torch
import torch.nn.functional as F
from torch import Tensor


def batch_norm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    scale_factor: Tensor,
    batch: bool,
    moving: float,
    eps: float,
    centre: bool = True,
    scale: bool = True,
) -> Tensor:
    """Normalise each channel, by the batch's statistics or by the stored sums divided by scale_factor.

    Without `centre` the mean stays in, without `scale` nothing is divided.
    """
    shape = [1, -1] + [1] * (x.dim() - 2)
    if batch:
        axes = [0, *range(2, x.dim())]
        mu = x.mean(axes)
        var = ((x - mu.view(shape)) ** 2).mean(axes)
        with torch.no_grad():
            n = x.numel() // x.shape[1]
            scale_factor.mul_(moving).add_(1)
            mean.mul_(moving).add_(mu)
            variance.mul_(moving).add_(var * (n / (n - 1) if n > 1 else 1.0))
    else:
        share = torch.where(scale_factor == 0, 0.0, 1 / scale_factor)
        mu, var = mean * share, variance * share
    centred = x - mu.view(shape) if centre else x
    return centred / torch.sqrt(var.view(shape) + eps) if scale else centred


def normalized_batch(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Each channel less the batch's mean over its deviation, scaled and shifted; of a single value nothing is left."""
    across = [1, -1] + [1] * (x.dim() - 2)
    if x.numel() == x.shape[1]:  # which torch refuses
        return (x - x) * weight.view(across) + bias.view(across)
    return F.batch_norm(x, None, None, weight.flatten(), bias.flatten(), True, 0.0, eps)


def moving_batch_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
    batch: bool,
    momentum: float,
    eps: float,
) -> Tensor:
    """Normalise, scale and shift each channel; the batch's statistics, where they are used, move the stored ones."""
    if batch:
        axes = [0, *range(2, x.dim())]
        y = normalized_batch(x, weight, bias, eps)
        with torch.no_grad():
            mean.mul_(momentum).add_((1 - momentum) * x.mean(axes).view_as(mean))
            variance.mul_(momentum).add_(
                (1 - momentum) * x.var(axes, unbiased=False).view_as(variance)
            )
        return y
    mean, variance = mean.flatten(), variance.flatten()
    return F.batch_norm(
        x, mean, variance, weight.flatten(), bias.flatten(), False, 0.0, eps
    )
