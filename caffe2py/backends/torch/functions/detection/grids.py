"""What is found in grids: MS-CNN's boxes, YOLO's, DetectNet's, and the peaks of maps."""

import torch
import torch.nn.functional as F
from torch import Tensor

from caffe2py.backends.torch.functions.detection.boxes import (
    best_first,
    keep_apart,
    or_none,
)


def box_output(
    maps: list[Tensor],
    fields: list[list[int]],
    least: float,
    most: float,
    smallest: float,
    growth: float,
    reach: float,
    before: int = 0,
    behind: int = 0,
    of_smaller: bool = False,
    mean: list[float] | None = None,
    std: list[float] | None = None,
) -> tuple[Tensor, Tensor]:
    """Regions (R, 5, 1, 1) of all images, the best of each first, and the same with their scores (R, 6, 1, 1)."""
    scores, boxes = [], []
    for x, (high, wide, rate) in zip(maps, fields, strict=True):
        score = (x[:, 1:-4].amax(1) - x[:, 0]).flatten(1)
        d = x[:, -4:].flatten(2).transpose(1, 2)
        if mean is not None and std is not None:
            d = d * d.new_tensor(std) + d.new_tensor(mean)
        field = d.new_tensor([wide, high])
        y, z = (torch.arange(n, dtype=x.dtype, device=x.device) for n in x.shape[2:])
        cells = torch.stack(
            [z.expand(len(y), -1), y[:, None].expand(-1, len(z))], 2
        ).reshape(-1, 2)
        size = field * torch.exp(d[..., 2:].clamp(-growth, growth))
        low = d[..., :2].clamp(-reach, reach) * field + (cells + 0.5) * rate - size / 2
        low = low.clamp(min=0)
        size = torch.minimum(
            size, d.new_tensor([x.shape[3] * rate, x.shape[2] * rate]) - low
        )
        good = (score >= least) & (size >= smallest).all(2)
        scores.append(torch.where(good, score, float("-inf")))
        boxes.append(torch.cat([low, low + size], 2))
    rows = []
    for i, (score, box) in enumerate(
        zip(torch.cat(scores, 1), torch.cat(boxes, 1), strict=True)
    ):
        order = (
            len(score) - 1 - best_first(score.flip(0))
        )  # of equal scores the last comes first
        order = order[score[order].isfinite()]
        order = order[:before] if before else order
        kept = order[keep_apart(box[order], most, of_smaller=of_smaller)]
        kept = kept[:behind] if behind else kept
        rows.append(
            torch.cat([score[kept, None] * 0 + i, box[kept], score[kept, None]], 1)
        )
    found = torch.cat(rows)
    if not len(found):
        return found.new_tensor([0.0, 1, 1, 10, 10]).view(1, 5, 1, 1), found.new_zeros(
            1, 6, 1, 1
        )
    return found[:, :5, None, None], found[..., None, None]


def yolo_output(
    maps: list[Tensor],
    anchors: list[list[float]],
    scales: list[int],
    classes: int,
    least: float,
    most: float,
    one: bool = False,
) -> Tensor:
    """(1, 1, M, 7): 0, label, score and box of what is found, best first; `one`: the best class of each box alone."""
    boxes, scores = [], []
    for x, pairs, scale in zip(maps, anchors, scales, strict=True):
        side, number = x.shape[2], len(pairs) // 2
        cells = x.reshape(len(x), number, 5 + classes, side, side).permute(
            0, 3, 4, 1, 2
        )
        y, z = torch.meshgrid(
            *[torch.arange(side, dtype=x.dtype, device=x.device)] * 2, indexing="ij"
        )
        middle = (
            torch.stack([z, y], 2)[:, :, None] + torch.sigmoid(cells[..., :2])
        ) / side
        half = (
            torch.exp(cells[..., 2:4])
            * x.new_tensor(pairs).view(-1, 2)
            / (side * scale)
            / 2
        )
        boxes.append(torch.cat([middle - half, middle + half], -1).reshape(-1, 4))
        said = cells[..., 5:].softmax(-1) if one else torch.sigmoid(cells[..., 5:])
        scores.append((torch.sigmoid(cells[..., 4:5]) * said).reshape(-1, classes))
    box, score = torch.cat(boxes), torch.cat(scores)
    label = torch.arange(classes, dtype=score.dtype, device=score.device).expand(
        score.shape
    )
    if one:
        score, label = (v[:, None] for v in score.max(1))
    row, column = (score > least).nonzero(as_tuple=True)
    order = best_first(score[row, column])
    row, column = row[order], column[order]
    kept = keep_apart(box[row], most)
    row, column = row[kept], column[kept]
    values = score[row, column][:, None]
    rows = torch.cat(
        [
            values * 0,
            label[row, column][:, None].to(values.dtype) + 1,
            values,
            box[row],
        ],
        1,
    )
    return or_none(rows, len(maps[0]))[None, None]


def reorg(x: Tensor, stride: int, reverse: bool = False) -> Tensor:
    """Pixels as channels in darknet's order, or back."""
    n, c, h, w = x.shape
    if reverse:
        apart = x.reshape(n, stride, stride, c // stride**2, h, w)
        return apart.permute(0, 3, 4, 1, 5, 2).reshape(
            n, c // stride**2, h * stride, w * stride
        )
    apart = x.reshape(n, c // stride**2, h, stride, w, stride)
    return apart.permute(0, 3, 5, 1, 2, 4).reshape(
        n, c * stride**2, h // stride, w // stride
    )


def peaks(x: Tensor, parts: int, most: int, least: float, reach: int) -> Tensor:
    """(N, parts, most + 1, 3): how many peaks each map has, then x, y and value of each, row by row; zeros after."""
    x = x[:, :parts]
    n, _, high, wide = x.shape
    inner = x[:, :, 1:-1, 1:-1]
    peak = inner > least
    for down in range(3):
        for across in range(3):
            if (down, across) != (1, 1):
                peak = peak & (
                    inner > x[:, :, down : high - 2 + down, across : wide - 2 + across]
                )
    found = F.pad(peak.to(x.dtype), (1, 1, 1, 1)).flatten(2)
    rank, index = (
        found * torch.arange(high * wide, 0, -1, dtype=x.dtype, device=x.device)
    ).topk(most, 2)
    y, z = (torch.arange(s, dtype=x.dtype, device=x.device) for s in (high, wide))
    weight = x.new_ones(1, 1, 2 * reach + 1, 2 * reach + 1)

    def around(values: Tensor) -> Tensor:
        return (
            F.conv2d(values.reshape(-1, 1, high, wide), weight, padding=reach)
            .view(n, -1, high * wide)
            .gather(2, index)
        )

    mass = around(x)
    columns = [
        around(x * z) / mass,
        around(x * y[:, None]) / mass,
        x.flatten(2).gather(2, index),
    ]
    rows = torch.where(rank[..., None] > 0, torch.stack(columns, 3), 0.0)
    number = found.sum(2, keepdim=True).clamp(max=most)
    return torch.cat([F.pad(number[..., None], (0, 2)), rows], 2)


def clusters(
    cover: Tensor,
    said: Tensor,
    grid: tuple[int, int],
    cell: tuple[int, int],
    least: float,
    group: int,
    eps: float,
    smallest: int,
    most: int,
) -> Tensor:
    """(N, most, 5): left, top, right, bottom and confidence of the boxes that the cells of a grid agree on."""
    made = said.new_zeros(len(cover), most, 5)
    for i in range(len(cover)):
        y, x = (cover[i, : grid[0], : grid[1]] >= least).nonzero(as_tuple=True)
        corner = torch.stack([x * cell[1], y * cell[0]] * 2, 1)
        boxes = (said[i, :, y, x].T + corner).tolist()
        if not any(any(box) for box in boxes):
            continue
        found = [
            [*box, members]
            for box, members in similar(
                [[int(v) for v in box] for box in boxes], group, eps
            )
            if box[3] - box[1] >= smallest
        ]
        if found:
            rows = torch.tensor(found[:most], dtype=torch.float64)
            rows[:, 4] = torch.log(rows[:, 4])
            made[i, : len(rows)] = rows.half().to(made)
    return made


def similar(
    boxes: list[list[int]], group: int, eps: float
) -> list[tuple[list[int], int]]:
    """Means of boxes (x, y, width, height) that are alike, and of how many each is; more than `group` of them."""
    kind = list(range(len(boxes)))
    for i, a in enumerate(boxes):
        for j, b in enumerate(boxes[:i]):
            far = eps * (min(a[2], b[2]) + min(a[3], b[3])) * 0.5
            sides = (
                (a[0], b[0]),
                (a[1], b[1]),
                (a[0] + a[2], b[0] + b[2]),
                (a[1] + a[3], b[1] + b[3]),
            )
            if all(abs(p - q) <= far for p, q in sides):
                kind = [kind[j] if k == kind[i] else k for k in kind]
    means: list[tuple[list[int], int]] = []
    for k in dict.fromkeys(kind):
        alike = [box for box, other in zip(boxes, kind, strict=True) if other == k]
        # OpenCV multiplies by the share in float32: a half may come out above.
        total = torch.tensor(alike, dtype=torch.float32).sum(0)
        mean = total * (1 / torch.tensor(len(alike), dtype=torch.float32))
        means.append(([round(side) for side in mean.tolist()], len(alike)))
    kept = []
    for i, (a, members) in enumerate(means):
        inside = any(
            others > group
            and i != j
            and a[0] >= b[0] - round(b[2] * eps)
            and a[1] >= b[1] - round(b[3] * eps)
            and a[0] + a[2] <= b[0] + b[2] + round(b[2] * eps)
            and a[1] + a[3] <= b[1] + b[3] + round(b[3] * eps)
            and (others > max(3, members) or members < 3)
            for j, (b, others) in enumerate(means)
        )
        if members > group and not inside:
            kept.append((a, members))
    return kept
