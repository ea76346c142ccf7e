"""Pooling where torch's own has other windows than Caffe's."""

import torch
import torch.nn.functional as F
from torch import Tensor


def pooled_size(
    n: int, kernel: int, stride: int, pad: int, ceil: bool, clip: bool
) -> int:
    """Caffe pools round up; with a pad, the last window must start inside the image or the padding on its left."""
    size = (n + 2 * pad - kernel + (stride - 1 if ceil else 0)) // stride + 1
    return size - 1 if clip and (size - 1) * stride >= n + pad else size


def pad_for_windows(
    x: Tensor,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int],
    ceil: bool,
    value: float,
) -> tuple[Tensor, tuple[int, int], tuple[int, int]]:
    """x with all that its windows cover; how many there are down and across, and how many of them hold something.

    Without a pad the last window may start outside, at any distance that the stride has.
    """
    clip = pad[0] > 0 or pad[1] > 0
    rows = pooled_size(x.shape[2], kernel[0], stride[0], pad[0], ceil, clip)
    columns = pooled_size(x.shape[3], kernel[1], stride[1], pad[1], ceil, clip)
    down = min(rows, (x.shape[2] + pad[0] - 1) // stride[0] + 1)
    across = min(columns, (x.shape[3] + pad[1] - 1) // stride[1] + 1)
    below = max((down - 1) * stride[0] + kernel[0] - pad[0] - x.shape[2], 0)
    right = max((across - 1) * stride[1] + kernel[1] - pad[1] - x.shape[3], 0)
    return (
        F.pad(x, (pad[1], right, pad[0], below), value=value),
        (rows, columns),
        (down, across),
    )


def max_windows(
    x: Tensor,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int],
    ceil: bool,
) -> tuple[Tensor, Tensor]:
    """The largest value of each window and its index h * W + w; the lowest number and -1 where a window is outside."""
    lowest = torch.finfo(x.dtype).min
    padded, (rows, columns), (down, across) = pad_for_windows(
        x, kernel, stride, pad, ceil, lowest
    )
    y, index = F.max_pool2d(padded, kernel, stride, return_indices=True)
    y, index = y[:, :, :down, :across], index[:, :, :down, :across]
    h = index // padded.shape[3] - pad[0]
    w = index % padded.shape[3] - pad[1]
    inside = (h >= 0) & (h < x.shape[2]) & (w >= 0) & (w < x.shape[3])
    index = torch.where(inside, h * x.shape[3] + w, -1)
    empty = (0, columns - across, 0, rows - down)
    return F.pad(y, empty, value=lowest), F.pad(index, empty, value=-1)


def average_windows(
    x: Tensor,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int],
    ceil: bool,
    include_pad: bool = True,
) -> Tensor:
    """The mean of each window: padding counts, unless it is not to, and what hangs over beyond it does not."""
    padded, (rows, columns), (down, across) = pad_for_windows(
        x, kernel, stride, pad, ceil, 0.0
    )
    total = F.avg_pool2d(padded, kernel, stride, divisor_override=1)[
        :, :, :down, :across
    ]
    total = F.pad(total, (0, columns - across, 0, rows - down))
    top = torch.arange(rows, device=x.device) * stride[0] - pad[0]
    left = torch.arange(columns, device=x.device) * stride[1] - pad[1]
    edge = pad if include_pad else (0, 0)
    high = torch.clamp(top + kernel[0], max=x.shape[2] + edge[0]) - top.clamp(
        min=-edge[0]
    )
    wide = torch.clamp(left + kernel[1], max=x.shape[3] + edge[1]) - left.clamp(
        min=-edge[1]
    )
    return total / (high[:, None] * wide).to(x.dtype)


def with_float_index(pooled: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Maxima and their indices, the indices as numbers of the same type: all Caffe blobs are floats."""
    y, index = pooled
    return y, index.to(y.dtype)
