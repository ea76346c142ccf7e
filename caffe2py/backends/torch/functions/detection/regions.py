"""Regions of interest (image, left, top, right, bottom), pooled to a grid of one size."""

import torch
from torch import Tensor


def round_away(x: Tensor) -> Tensor:
    """The nearest whole number; a half goes away from 0, as C rounds."""
    whole = torch.trunc(x)
    return torch.where((x - whole).abs() == 0.5, whole + torch.sign(x), torch.round(x))


def bin_edges(
    start: Tensor, size: Tensor, bins: int, most: int
) -> tuple[Tensor, Tensor]:
    """The first pixel of each bin (R, bins) of sides that start at `start`, and the first behind it, in 0 to `most`."""
    place = torch.arange(bins, dtype=size.dtype, device=size.device)
    each = size[:, None] / bins
    low, high = (
        torch.floor(place * each + start[:, None]),
        torch.ceil((place + 1) * each + start[:, None]),
    )
    return low.clamp(0, most).long(), high.clamp(0, most).long()


def roi_max_pool(
    x: Tensor, rois: Tensor, bins: tuple[int, int], scale: float, pad_ratio: float = 0.0
) -> Tensor:
    """The largest value in each of the bins down and across; 0 where a bin has no pixel."""
    rois = rois.detach().reshape(-1, 5)
    pad = (rois[:, 3:] - rois[:, 1:3] + 1) * pad_ratio
    low, high = (
        round_away((rois[:, 1:3] - pad) * scale),
        round_away((rois[:, 3:] + pad) * scale),
    )
    size = (high - low + 1).clamp(min=1)
    tops, bottoms = (
        e.tolist() for e in bin_edges(low[:, 1], size[:, 1], bins[0], x.shape[2])
    )
    lefts, rights = (
        e.tolist() for e in bin_edges(low[:, 0], size[:, 0], bins[1], x.shape[3])
    )
    made = []
    for r, image in enumerate(rois[:, 0].long().tolist()):
        columns = [
            x[image, :, :, a:b].max(2).values if a < b else None
            for a, b in zip(lefts[r], rights[r], strict=True)
        ]
        blank = x.new_zeros(x.shape[1])
        cells = [
            [blank if c is None or a >= b else c[:, a:b].max(1).values for c in columns]
            for a, b in zip(tops[r], bottoms[r], strict=True)
        ]
        made.append(torch.stack([torch.stack(row, 1) for row in cells], 1))
    return torch.stack(made) if made else x.new_zeros(0, x.shape[1], *bins)


def ps_roi_pool(x: Tensor, rois: Tensor, bins: int, scale: float) -> Tensor:
    """The mean of each of bins x bins parts of a region, each from channels of its own; 0 where one has no pixel."""
    rois = rois.detach().reshape(-1, 5)
    low, high = round_away(rois[:, 1:3]) * scale, (round_away(rois[:, 3:]) + 1) * scale
    size = (high - low).clamp(min=0.1)
    top, bottom = bin_edges(low[:, 1], size[:, 1], bins, x.shape[2])
    left, right = bin_edges(low[:, 0], size[:, 0], bins, x.shape[3])
    h, w = (torch.arange(n, device=x.device) for n in x.shape[2:])
    rows = ((h >= top[:, :, None]) & (h < bottom[:, :, None])).to(x.dtype)
    columns = ((w >= left[:, :, None]) & (w < right[:, :, None])).to(x.dtype)
    own = (rois[:, :1].long() == torch.arange(x.shape[0], device=x.device)).to(x.dtype)
    parts = torch.einsum(
        "bdijhw,rjw->bdijhr", x.unflatten(1, (-1, bins, bins)), columns
    )
    total = torch.einsum(
        "bdijhr,rihb->rdij", parts, rows[:, :, :, None] * own[:, None, None]
    )
    area = (bottom - top).clamp(min=0)[:, None, :, None] * (right - left).clamp(min=0)[
        :, None, None
    ]
    return total / area.clamp(min=1).to(x.dtype)


def between(
    at: Tensor, size: int, reach: float = 1.0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The pixels before and behind places, of `size`, the share of the second, and whether a place is by them."""
    most = size - 1
    inside = (at >= -reach) & (at <= most + reach)
    held = at.clamp(0, most)
    low = held.long()
    return low, (low + 1).clamp(max=most), held - low, inside


def sampled(
    x: Tensor, image: Tensor, places: list[Tensor], reach: float = 1.0
) -> Tensor:
    """Values (R, h, w, C) between the pixels of images (R), at h places down, w across; 0 beyond the edges."""
    (y0, y1, dy, rows), (x0, x1, dx, columns) = (
        between(at, size, reach) for at, size in zip(places, x.shape[2:], strict=True)
    )
    image = image.long()[:, None, None]
    dy, dx = dy[:, :, None, None], dx[:, None, :, None]
    y0, y1, x0, x1 = y0[:, :, None], y1[:, :, None], x0[:, None], x1[:, None]
    above = x[image, :, y0, x0] * (1 - dx) + x[image, :, y0, x1] * dx
    below = x[image, :, y1, x0] * (1 - dx) + x[image, :, y1, x1] * dx
    inside = (rows[:, :, None] & columns[:, None])[..., None].to(x.dtype)
    return (above * (1 - dy) + below * dy) * inside


def roi_align(
    x: Tensor,
    rois: Tensor,
    bins: tuple[int, int],
    scale: float,
    samples: int,
    pad_ratio: float = 0.0,
) -> Tensor:
    """The mean of samples x samples values, between the pixels, in each of the bins down and across."""
    rois = rois.detach().reshape(-1, 5)
    pad = (rois[:, 3:] - rois[:, 1:3] + 1) * pad_ratio
    low, high = (rois[:, 1:3] - pad) * scale, (rois[:, 3:] + pad) * scale
    size = (high - low).clamp(min=1)
    places = []
    for axis in (1, 0):
        number = bins[1 - axis] * samples
        step = (torch.arange(number, dtype=x.dtype, device=x.device) + 0.5) * (
            size[:, axis : axis + 1] / number
        )
        places.append(low[:, axis : axis + 1] + step)
    values = sampled(x, rois[:, 0], places)
    cells = values.unflatten(2, (bins[1], samples)).unflatten(1, (bins[0], samples))
    return cells.mean((2, 4)).permute(0, 3, 1, 2)


def roi_warp(x: Tensor, rois: Tensor, bins: tuple[int, int], scale: float) -> Tensor:
    """The values at the first corner of each of the bins down and across, between the pixels."""
    rois = rois.detach().reshape(-1, 5)
    low, high = round_away(rois[:, 1:3] * scale), round_away(rois[:, 3:] * scale)
    size = (high - low).clamp(min=0)
    places = [
        low[:, a, None]
        + torch.arange(n, dtype=x.dtype, device=x.device) * (size[:, a, None] / n)
        for a, n in zip((1, 0), bins, strict=True)
    ]
    return sampled(x, rois[:, 0], places, reach=0.5).permute(0, 3, 1, 2)


def resize_from_corner(x: Tensor, height: int, width: int) -> Tensor:
    """x in another size: the first pixel stays, values between pixels are linear, 0 by half a pixel behind the last."""
    for axis, new in ((2, height), (3, width)):
        old = x.shape[axis]
        at = torch.arange(new, dtype=x.dtype, device=x.device) * (old / new)
        low, high, share, inside = between(at, old, 0.5)
        share, inside = (
            v.to(x.dtype).view(-1, *[1] * (3 - axis)) for v in (share, inside)
        )
        first, last = x.index_select(axis, low), x.index_select(axis, high)
        x = (first + (last - first) * share) * inside
    return x


def decode_regions(
    said: Tensor,
    rois: Tensor,
    mean: list[float] | None = None,
    std: list[float] | None = None,
) -> Tensor:
    """Regions moved and resized by the last four numbers that a net says of each; a side is last - first + 1."""
    d, boxes = said.reshape(-1, 8)[:, 4:], rois.reshape(-1, 5)
    if mean is not None and std is not None:
        d = d * d.new_tensor(std) + d.new_tensor(mean)
    low, high = boxes[:, 1:3], boxes[:, 3:]
    size = high - low + 1
    middle, half = (
        d[:, :2] * size + (low + high) * 0.5,
        (size * torch.exp(d[:, 2:]) - 1) / 2,
    )
    return torch.cat([boxes[:, :1], middle - half, middle + half], 1).reshape(
        rois.shape
    )


def next_regions(rois: Tensor, said: Tensor, scores: Tensor, info: Tensor) -> Tensor:
    """Regions moved and resized as is said of the class of each one's highest score, cut to the picture."""
    rois = rois.reshape(-1, 5)
    flat = scores.flatten(1)
    d = said.reshape(*flat.shape, 4)
    d = d[torch.arange(len(rois), device=rois.device), flat.argmax(1)]
    size = rois[:, 3:] - rois[:, 1:3] + 1
    middle = d[:, :2] * size + rois[:, 1:3] + size * 0.5
    half = torch.exp(d[:, 2:]) * size * 0.5
    height, width = info.flatten()[:2]
    edge = torch.stack([width, height, width, height]) - 1
    boxes = torch.cat([middle - half, middle + half], 1).minimum(edge).clamp(min=0)
    return torch.cat([rois[:, :1] * 0, boxes], 1)
