"""Regions of interest (image, left, top, right, bottom), pooled to a grid of one size."""

import torch
from torch import Tensor


def round_away(x: Tensor) -> Tensor:
    """The nearest whole number; a half goes away from 0, as C rounds."""
    whole = torch.trunc(x)
    return torch.where((x - whole).abs() == 0.5, whole + torch.sign(x), torch.round(x))


def bin_edges(start: Tensor, size: Tensor, bins: int, most: int) -> tuple[Tensor, Tensor]:
    """The first pixel of each bin (R, bins) of sides that start at `start`, and the first behind it, in 0 to `most`."""
    place = torch.arange(bins, dtype=size.dtype, device=size.device)
    each = size[:, None] / bins
    low, high = torch.floor(place * each + start[:, None]), torch.ceil((place + 1) * each + start[:, None])
    return low.clamp(0, most).long(), high.clamp(0, most).long()


def roi_max_pool(x: Tensor, rois: Tensor, bins: tuple[int, int], scale: float, pad_ratio: float = 0.0) -> Tensor:
    """The largest value in each of the bins down and across; 0 where a bin has no pixel."""
    rois = rois.detach().reshape(-1, 5)
    pad = (rois[:, 3:] - rois[:, 1:3] + 1) * pad_ratio
    low, high = round_away((rois[:, 1:3] - pad) * scale), round_away((rois[:, 3:] + pad) * scale)
    size = (high - low + 1).clamp(min=1)
    tops, bottoms = (e.tolist() for e in bin_edges(low[:, 1], size[:, 1], bins[0], x.shape[2]))
    lefts, rights = (e.tolist() for e in bin_edges(low[:, 0], size[:, 0], bins[1], x.shape[3]))
    made = []
    for r, image in enumerate(rois[:, 0].long().tolist()):
        columns = [x[image, :, :, a:b].amax(2) if a < b else None for a, b in zip(lefts[r], rights[r], strict=True)]
        blank = x.new_zeros(x.shape[1])
        cells = [
            [blank if c is None or a >= b else c[:, a:b].amax(1) for c in columns]
            for a, b in zip(tops[r], bottoms[r], strict=True)
        ]
        made.append(torch.stack([torch.stack(row, 1) for row in cells], 1))
    return torch.stack(made) if made else x.new_zeros(0, x.shape[1], *bins)
