"""The patches of an image, over any number of spatial axes."""

import torch.nn.functional as F
from torch import Tensor


def im2col(
    x: Tensor,
    channels: int,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    pad: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Tensor:
    """The patch at each place of a sliding kernel, in the axis `channels`, ordered (channel, kernel axes)."""
    n = len(kernel)
    x = F.pad(x, [p for axis in reversed(pad) for p in (axis, axis)])
    for i in range(n):
        x = x.unfold(channels + 1 + i, dilation[i] * (kernel[i] - 1) + 1, stride[i])[..., :: dilation[i]]
    kernel_axes = list(range(channels + 1 + n, channels + 1 + 2 * n))
    return x.movedim(kernel_axes, list(range(channels + 1, channels + 1 + n))).flatten(channels, channels + n)
