"""Regions that a net proposes."""

import torch
from torch import Tensor

from caffe2py.backends.torch.functions.detection.boxes import best_first, keep_apart


def proposals(
    scores: Tensor,
    said: Tensor,
    info: Tensor,
    anchors: list[list[float]],
    stride: int,
    least: float,
    before: int,
    behind: int,
    most: float,
) -> tuple[Tensor, Tensor]:
    """Regions (R, 5) and their scores (R, 1), best first: anchors moved and resized, cut to the picture, kept apart."""
    number, (high, wide) = len(anchors), scores.shape[2:]
    fg = scores[0, number:].permute(1, 2, 0).flatten()
    d = said[0].reshape(number, 4, high, wide).permute(2, 3, 0, 1).reshape(-1, 4)
    y, x = (
        torch.arange(n, dtype=said.dtype, device=said.device) * stride
        for n in (high, wide)
    )
    shift = torch.stack([x.expand(high, -1), y[:, None].expand(-1, wide)], 2).reshape(
        -1, 1, 2
    )
    box = said.new_tensor(anchors)
    size = box[:, 2:] - box[:, :2] + 1
    middle = (box[:, :2] + size * 0.5 + shift).reshape(-1, 2)
    size = size.expand(high * wide, -1, -1).reshape(-1, 2)
    middle, half = d[:, :2] * size + middle, torch.exp(d[:, 2:]) * size * 0.5
    height, width, scale = info.flatten()[:3]
    edge = torch.stack([width, height, width, height]) - 1
    boxes = torch.cat([middle - half, middle + half], 1).minimum(edge).clamp(min=0)
    large = (boxes[:, 2:] - boxes[:, :2] + 1 >= least * scale).all(1).nonzero()[:, 0]
    chosen = large[best_first(fg[large])[:before]]
    chosen = chosen[keep_apart(boxes[chosen], most, pixel=1.0, limit=behind)]
    return torch.cat([boxes.new_zeros(len(chosen), 1), boxes[chosen]], 1), fg[chosen][
        :, None
    ]
