"""Operations that torch has no single call for. The emitter copies the ones a net needs into its output.

Each function stands on its own: it uses torch, F, nn, Tensor and other functions of this file, nothing else.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def batch_norm(
    x: Tensor, mean: Tensor, variance: Tensor, scale_factor: Tensor, batch: bool, moving: float, eps: float
) -> Tensor:
    """Normalise each channel, by the batch's statistics or by the stored sums divided by scale_factor."""
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
        scale = torch.where(scale_factor == 0, 0.0, 1 / scale_factor)
        mu, var = mean * scale, variance * scale
    return (x - mu.view(shape)) / torch.sqrt(var.view(shape) + eps)


def pooled_size(n: int, kernel: int, stride: int, pad: int, ceil: bool, clip: bool) -> int:
    """Caffe pools round up; with a pad, the last window must start inside the image or the padding on its left."""
    size = (n + 2 * pad - kernel + (stride - 1 if ceil else 0)) // stride + 1
    return size - 1 if clip and (size - 1) * stride >= n + pad else size


def pad_for_windows(
    x: Tensor, kernel: tuple[int, int], stride: tuple[int, int], pad: tuple[int, int], ceil: bool, value: float
) -> tuple[Tensor, int, int]:
    """x with all that its windows cover, and how many windows there are down and across."""
    clip = pad[0] > 0 or pad[1] > 0
    rows = pooled_size(x.shape[2], kernel[0], stride[0], pad[0], ceil, clip)
    columns = pooled_size(x.shape[3], kernel[1], stride[1], pad[1], ceil, clip)
    below = max((rows - 1) * stride[0] + kernel[0] - pad[0] - x.shape[2], 0)
    right = max((columns - 1) * stride[1] + kernel[1] - pad[1] - x.shape[3], 0)
    return F.pad(x, (pad[1], right, pad[0], below), value=value), rows, columns


def max_windows(
    x: Tensor, kernel: tuple[int, int], stride: tuple[int, int], pad: tuple[int, int], ceil: bool
) -> tuple[Tensor, Tensor]:
    """The largest value of each window and its index h * W + w; the lowest number and -1 where a window is outside."""
    lowest = torch.finfo(x.dtype).min
    padded, rows, columns = pad_for_windows(x, kernel, stride, pad, ceil, lowest)
    y, index = F.max_pool2d(padded, kernel, stride, return_indices=True)
    y, index = y[:, :, :rows, :columns], index[:, :, :rows, :columns]
    h = index // padded.shape[3] - pad[0]
    w = index % padded.shape[3] - pad[1]
    inside = (h >= 0) & (h < x.shape[2]) & (w >= 0) & (w < x.shape[3])
    return y, torch.where(inside, h * x.shape[3] + w, -1)


def average_windows(
    x: Tensor, kernel: tuple[int, int], stride: tuple[int, int], pad: tuple[int, int], ceil: bool
) -> Tensor:
    """The mean of each window: padding counts, what hangs over beyond it does not."""
    padded, rows, columns = pad_for_windows(x, kernel, stride, pad, ceil, 0.0)
    total = F.avg_pool2d(padded, kernel, stride, divisor_override=1)[:, :, :rows, :columns]
    top = torch.arange(rows, device=x.device) * stride[0] - pad[0]
    left = torch.arange(columns, device=x.device) * stride[1] - pad[1]
    high = torch.clamp(top + kernel[0], max=x.shape[2] + pad[0]) - top
    wide = torch.clamp(left + kernel[1], max=x.shape[3] + pad[1]) - left
    return total / (high[:, None] * wide).to(x.dtype)


def with_float_index(pooled: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Maxima and their indices, the indices as numbers of the same type: all Caffe blobs are floats."""
    y, index = pooled
    return y, index.to(y.dtype)


def eltwise_max(x: Tensor, *others: Tensor) -> Tensor:
    """The largest of each element. Where the first two are equal the second is taken, later ones only if larger."""
    y = torch.where(x > others[0], x, others[0])
    for other in others[1:]:
        y = torch.where(other > y, other, y)
    return y


class QuotientProduct(torch.autograd.Function):
    """A product whose gradient is top / x_i * top's gradient: NaN where x_i is 0, as in Caffe."""

    @staticmethod
    def forward(ctx, *factors):  # type: ignore[no-untyped-def]
        y = factors[0]
        for factor in factors[1:]:
            y = y * factor
        ctx.save_for_backward(y, *factors)
        return y

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        y, *factors = ctx.saved_tensors
        return tuple(y / factor * gradient for factor in factors)


def quotient_product(*factors: Tensor) -> Tensor:
    """The product of all factors, with Caffe's unstable gradient."""
    return QuotientProduct.apply(*factors)  # type: ignore[no-any-return]
