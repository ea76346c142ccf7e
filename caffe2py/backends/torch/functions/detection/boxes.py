"""Boxes as (left, top, right, bottom): the best of those that overlap, and what is said where there are none."""

import torch
import torch.nn.functional as F
from torch import Tensor


def overlap(
    box: Tensor, boxes: Tensor, pixel: float = 0.0, of_smaller: bool = False
) -> Tensor:
    """The intersection of a box with each of others over their union, or over the smaller; 0 where they do not meet.

    `pixel` is 1 where the numbers are those of the last pixels inside. A box that is inside out has no area.
    """
    sides = (
        torch.minimum(box[2:], boxes[:, 2:])
        - torch.maximum(box[:2], boxes[:, :2])
        + pixel
    )
    shared = sides.clamp(min=0).prod(1)
    one, other = (
        (b[..., 2:] - b[..., :2] + pixel).clamp(min=0).prod(-1) for b in (box, boxes)
    )
    whole = torch.minimum(one, other) if of_smaller else one + other - shared
    return torch.where(shared > 0, shared / whole, 0.0)


def keep_apart(
    boxes: Tensor,
    most: float,
    eta: float = 1.0,
    pixel: float = 0.0,
    limit: int = -1,
    of_smaller: bool = False,
) -> Tensor:
    """Which boxes, the best first, overlap none that is kept before them by more than `most`; `limit` of them at most.

    After each that is kept, a threshold above 0.5 shrinks by the factor `eta`.
    """
    worst, threshold = boxes.new_zeros(len(boxes)), boxes.new_tensor(most)
    kept: list[int] = []
    for i in range(len(boxes)):
        if len(kept) != limit and worst[i] <= threshold:
            kept.append(i)
            worst = torch.maximum(worst, overlap(boxes[i], boxes, pixel, of_smaller))
            if eta < 1 and threshold > 0.5:
                threshold = threshold * eta
    return torch.tensor(kept, dtype=torch.long, device=boxes.device)


def best_first(scores: Tensor) -> Tensor:
    """The order of falling scores; of equal ones the first comes first."""
    return torch.sort(scores, descending=True, stable=True).indices


def or_none(rows: Tensor, images: int) -> Tensor:
    """The rows that were found; where there are none, one for each image: its number, and six times -1."""
    if len(rows):
        return rows
    numbers = torch.arange(images, dtype=rows.dtype, device=rows.device)
    return F.pad(numbers[:, None], (0, 6), value=-1.0)
