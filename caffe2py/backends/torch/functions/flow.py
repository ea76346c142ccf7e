"""Motion between images, as FlowNet has it."""

import torch
import torch.nn.functional as F
from torch import Tensor


def correlation(
    a: Tensor,
    b: Tensor,
    pad: int,
    kernel: int,
    displacement: int,
    stride_1: int,
    stride_2: int,
    subtract: bool,
) -> Tensor:
    """The mean of a * b, or of |a - b|, over channels and a window, with b shifted: a channel for each shift."""
    a, b = F.pad(a, [pad] * 4), F.pad(b, [pad] * 4)
    border = displacement + kernel // 2
    high, wide = (
        (-(-(n - 2 * border) // stride_1) - 1) * stride_1 + kernel for n in a.shape[2:]
    )
    radius = displacement // stride_2
    shifts = [displacement + i * stride_2 for i in range(-radius, radius + 1)]
    still = a[
        :, :, displacement : displacement + high, displacement : displacement + wide
    ]
    tops = []
    for y in shifts:
        for x in shifts:
            moved = b[:, :, y : y + high, x : x + wide]
            tops.append(((still - moved).abs() if subtract else still * moved).mean(1))
    return F.avg_pool2d(torch.stack(tops, 1), kernel, stride_1)


def flow_warp(image: Tensor, flow: Tensor, fill: float) -> Tensor:
    """image (N, C, H, W) read bilinearly at (x + flow[:, 0], y + flow[:, 1]); `fill` beyond it."""
    channels, height, width = image.shape[1:]
    x = torch.arange(width, device=flow.device) + flow[:, 0]
    y = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x, y = torch.where(inside, x, 0), torch.where(inside, y, 0)
    left, above = x.detach().floor(), y.detach().floor()
    right, below = (left + 1).clamp(max=width - 1), (above + 1).clamp(max=height - 1)
    flat = image.flatten(2)

    def at(row: Tensor, column: Tensor) -> Tensor:
        index = (
            (row * width + column).long().flatten(1)[:, None].expand(-1, channels, -1)
        )
        return flat.gather(2, index).view_as(image)

    across, down = (x - left)[:, None], (y - above)[:, None]
    upper = at(above, left) * (1 - across) + at(above, right) * across
    lower = at(below, left) * (1 - across) + at(below, right) * across
    return torch.where(inside[:, None], upper * (1 - down) + lower * down, fill)


def mean_of_numbers(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """rows * x * columns^T by the weight of what is no NaN; NaN where that of NaN is more than half of it."""
    missing = x.isnan()
    total = rows @ torch.where(missing, 0.0, x) @ columns.T
    counted, lost = (
        rows @ part.to(x.dtype) @ columns.T for part in (~missing, missing)
    )
    return torch.where(lost > 0.5 * counted, torch.nan, total / counted)
