"""SSD: the boxes of a grid, and what is found in them."""

import torch
from torch import Tensor

from caffe2py.backends.torch.functions.detection.boxes import (
    best_first,
    keep_apart,
    or_none,
)


def prior_boxes(
    x: Tensor,
    image: Tensor,
    sizes: list[tuple[float, float]],
    variance: list[float],
    offset: float,
    step: tuple[float, float] | None = None,
    size: tuple[int, int] | None = None,
    clip: bool = False,
) -> Tensor:
    """(1, 2, H * W * boxes * 4): boxes of these sizes at each place of x, in shares of the image; and variances."""
    height, width = (float(n) for n in size or image.shape[2:])
    down, right = step or (height / x.shape[2], width / x.shape[3])
    rows = (torch.arange(x.shape[2], dtype=x.dtype, device=x.device) + offset) * down
    columns = (
        torch.arange(x.shape[3], dtype=x.dtype, device=x.device) + offset
    ) * right
    middle = torch.stack(
        [columns.expand(len(rows), -1), rows[:, None].expand(-1, len(columns))], 2
    )[:, :, None]
    half = torch.tensor(sizes, dtype=x.dtype, device=x.device) / 2
    boxes = torch.cat([middle - half, middle + half], 3) / x.new_tensor(
        [width, height, width, height]
    )
    boxes = boxes.clamp(0, 1) if clip else boxes
    return torch.stack(
        [boxes.flatten(), x.new_tensor(variance).expand(boxes.shape).flatten()]
    )[None]


def decode_boxes(
    said: Tensor, prior: Tensor, variance: Tensor, code: str, scaled: bool
) -> Tensor:
    """The boxes that a net says by their differences from prior ones; `scaled` where the variances are in them."""
    step = said if scaled else said * variance
    if code == "CORNER":
        return prior + step
    size = prior[..., 2:] - prior[..., :2]
    if code == "CORNER_SIZE":
        return prior + step * torch.cat([size, size], -1)
    middle = step[..., :2] * size + (prior[..., :2] + prior[..., 2:]) / 2
    half = torch.exp(step[..., 2:]) * size / 2
    return torch.cat([middle - half, middle + half], -1)


def detection_output(
    loc: Tensor,
    conf: Tensor,
    prior: Tensor,
    arm_conf: Tensor | None = None,
    arm_loc: Tensor | None = None,
    *,
    classes: int,
    background: int = 0,
    shared: bool = True,
    code: str = "CORNER",
    scaled: bool = False,
    least: float = -3.4028234663852886e38,
    most: float = 0.3,
    eta: float = 1.0,
    top_k: int = -1,
    keep: int = -1,
    objectness: float = 0.01,
) -> Tensor:
    """(1, 1, M, 7): image, label, score and box of what is found; by image, label and falling score."""
    images = loc.shape[0]
    before, variance = prior[0].reshape(2, -1, 1, 4)
    if arm_loc is not None:
        before = decode_boxes(
            arm_loc.reshape(images, *before.shape), before, variance, code, scaled
        )
    boxes = decode_boxes(
        loc.reshape(images, before.shape[-3], -1, 4), before, variance, code, scaled
    )
    scores = conf.reshape(images, -1, classes)
    if arm_conf is not None:
        empty = arm_conf.reshape(images, -1, 2)[:, :, 1:] < objectness
        scores = torch.where(
            empty,
            (torch.arange(classes, device=conf.device) == 0).to(conf.dtype),
            scores,
        )
    rows = []
    for i in range(images):
        found = [loc.new_zeros(0, 6)]
        for label in range(classes):
            if label == background:
                continue
            chosen = (scores[i, :, label] > least).nonzero()[:, 0]
            chosen = chosen[best_first(scores[i, chosen, label])]
            chosen = chosen[:top_k] if top_k >= 0 else chosen
            chosen = chosen[
                keep_apart(boxes[i, chosen, 0 if shared else label], most, eta)
            ]
            score = scores[i, chosen, label][:, None]
            found.append(
                torch.cat(
                    [
                        score * 0 + label,
                        score,
                        boxes[i, chosen, 0 if shared else label],
                    ],
                    1,
                )
            )
        here = torch.cat(found)
        if -1 < keep < len(here):
            here = here[best_first(here[:, 1])[:keep].sort().values]
        rows.append(torch.cat([here[:, :1] * 0 + i, here], 1))
    return or_none(torch.cat(rows), images)[None, None]
