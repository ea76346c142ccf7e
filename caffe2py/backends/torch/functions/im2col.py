"""The windows of an image, over any number of spatial axes."""

import torch
import torch.nn.functional as F
from torch import Tensor


def covered(x: Tensor, extent: tuple[int, ...], pad: tuple[int, ...]) -> Tensor:
    """x with as many zeros behind it as the first window lacks; `pad` more of them will be put on each side."""
    sizes = list(zip(x.shape[-len(extent) :], extent, pad, strict=True))[::-1]
    return F.pad(x, [n for size, e, p in sizes for n in (0, max(e - 2 * p - size, 0))])


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
    extent = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    x = F.pad(
        covered(x, extent, pad), [p for axis in reversed(pad) for p in (axis, axis)]
    )
    for i in range(n):
        x = x.unfold(channels + 1 + i, extent[i], stride[i])
        x = (
            x[..., :: dilation[i]]
            if dilation[i]
            else x.expand(*x.shape[:-1], kernel[i])
        )  # 0: each tap sees one place
    kernel_axes = list(range(channels + 1 + n, channels + 1 + 2 * n))
    return x.movedim(kernel_axes, list(range(channels + 1, channels + 1 + n))).flatten(
        channels, channels + n
    )


def conv_nd(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, ...],
    pad: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> Tensor:
    """The convolution of images (N, C, spatial axes...), of more axes than torch has one for."""
    patches = im2col(x, 1, tuple(weight.shape[2:]), stride, pad, dilation)
    rows = weight.reshape(groups, weight.shape[0] // groups, -1)
    y = torch.einsum(
        "gok,ngkp->ngop", rows, patches.reshape(x.shape[0], groups, rows.shape[2], -1)
    )
    y = y.reshape(x.shape[0], -1, *patches.shape[2:])
    return y if bias is None else y + bias.reshape(-1, *[1] * (y.dim() - 2))


def conv_transpose_nd(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, ...],
    pad: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> Tensor:
    """The transpose of `conv_nd`: a convolution of x, spread by the stride, with the kernel turned round."""
    for i, s in enumerate(stride, 2):
        spread = torch.stack([x, *[torch.zeros_like(x)] * (s - 1)], i + 1).flatten(
            i, i + 1
        )
        x = spread.narrow(i, 0, s * (x.shape[i] - 1) + 1)
    edges = [
        d * (k - 1) - p for k, d, p in zip(weight.shape[2:], dilation, pad, strict=True)
    ]
    x = F.pad(x, [e for edge in reversed(edges) for e in (edge, edge)])
    kernel = weight.flip(list(range(2, weight.dim())))
    kernel = kernel.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
    return conv_nd(
        x, kernel, bias, (1,) * len(stride), (0,) * len(stride), dilation, groups
    )
