"""Pooling over two or three axes, by Caffe's rules for two."""

import torch
import torch.nn.functional as F
from torch import Tensor

from caffe2py.backends.torch.functions.pooling import pooled_size


def pool_nd(
    x: Tensor,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    pad: tuple[int, ...],
    average: bool,
) -> Tensor:
    """The largest value, or the average, of each window; padding counts, what hangs over beyond it does not."""
    axes, spatial = range(len(kernel)), x.shape[2:]
    sizes = [
        pooled_size(spatial[i], kernel[i], stride[i], pad[i], True, any(pad))
        for i in axes
    ]
    over = [
        max((sizes[i] - 1) * stride[i] + kernel[i] - pad[i] - spatial[i], 0)
        for i in axes
    ]
    around = [n for i in reversed(axes) for n in (pad[i], over[i])]
    inside = (slice(None), slice(None), *(slice(m) for m in sizes))
    if not average:
        pooled = F.max_pool3d if len(kernel) == 3 else F.max_pool2d
        return pooled(F.pad(x, around, value=torch.finfo(x.dtype).min), kernel, stride)[
            inside
        ]
    summed = F.avg_pool3d if len(kernel) == 3 else F.avg_pool2d
    total = summed(F.pad(x, around), kernel, stride, divisor_override=1)[inside]
    for i in axes:
        start = torch.arange(sizes[i], device=x.device) * stride[i] - pad[i]
        places = torch.clamp(start + kernel[i], max=spatial[i] + pad[i]) - start
        total = total / places.to(x.dtype).view(-1, *[1] * (len(kernel) - 1 - i))
    return total
