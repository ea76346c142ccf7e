"""Caffe's losses: their values, what they are divided by, and gradients where Caffe's own differ from the formula's."""

import torch
import torch.nn.functional as F
from torch import Tensor


def normalised(
    losses: Tensor, counted: Tensor, samples: int, normalization: str
) -> Tensor:
    """The sum of the losses that count over: all of them (FULL), those that count (VALID), the samples, 1 (NONE)."""
    total = torch.where(counted, losses, 0.0).sum()
    if normalization == "VALID":
        return total / counted.sum().clamp(min=1)
    return total / max(
        {"FULL": losses.numel(), "BATCH_SIZE": samples, "NONE": 1}[normalization], 1
    )


def counting(label: Tensor, ignored: int | None) -> Tensor:
    """Which labels count: all but those to be ignored."""
    if ignored is None:
        return torch.ones_like(label, dtype=torch.bool)
    return label != ignored


def floored(x: Tensor, low: float) -> Tensor:
    """max(x, low), with the gradient of x everywhere."""
    return x + (x.clamp(min=low) - x).detach()


def classes_last(x: Tensor, axis: int) -> Tensor:
    """x as rows of scores, one row for each place outside the class axis."""
    return x.movedim(axis, -1).reshape(-1, x.shape[axis])


def softmax_loss(
    x: Tensor,
    label: Tensor,
    axis: int = 1,
    normalization: str = "VALID",
    ignore_label: int | None = None,
) -> Tensor:
    """The mean of -log softmax(x)[label]; a probability counts as float32's smallest normal number at the least.

    As in Caffe the logarithm is that of the rounded probability, which shows where it is near 1.
    """
    target = label.flatten().long()
    counted = counting(target, ignore_label)
    rows, chosen = classes_last(x, axis), torch.where(counted, target, 0)[:, None]
    log_p = F.log_softmax(rows, 1).gather(1, chosen)[:, 0]
    p = (
        torch.softmax(rows.detach(), 1)
        .gather(1, chosen)[:, 0]
        .clamp(min=1.1754943508222875e-38)
    )
    return normalised(
        -(log_p + (p.log() - log_p).detach()),
        counted,
        x.shape[:axis].numel(),
        normalization,
    )


def infogain_loss(
    x: Tensor,
    label: Tensor,
    gain: Tensor,
    axis: int = 1,
    normalization: str = "VALID",
    ignore_label: int | None = None,
) -> Tensor:
    """The mean of -sum_k gain[label, k] log softmax(x)[k]; a probability counts as 1e-20 at the least."""
    target = label.flatten().long()
    counted = counting(target, ignore_label)
    log_p = F.log_softmax(classes_last(x, axis), 1)
    rows = gain.detach().reshape(x.shape[axis], x.shape[axis])
    rows = rows.index_select(0, torch.where(counted, target, 0))
    losses = -(rows * floored(log_p, -46.051701859880914)).sum(1)
    return normalised(losses, counted, x.shape[:axis].numel(), normalization)


def multinomial_logistic_loss(p: Tensor, label: Tensor) -> Tensor:
    """The mean of -log p[label]; below 1e-20 both the value and the gradient 1 / p are those of 1e-20."""
    chosen = p.reshape(p.shape[0], -1).gather(1, label.reshape(-1, 1).long())
    safe = chosen.detach().clamp(min=1e-20)
    return -(safe.log() + (chosen - chosen.detach()) / safe).sum() / p.shape[0]


def sigmoid_loss(
    x: Tensor,
    label: Tensor,
    normalization: str = "BATCH_SIZE",
    ignore_label: int | None = None,
) -> Tensor:
    """The cross-entropy of sigmoid(x) and label, both of any value between 0 and 1."""
    target = label.detach().reshape(x.shape)
    counted = counting(target.int(), ignore_label)
    losses = F.binary_cross_entropy_with_logits(x, target, reduction="none")
    return normalised(losses, counted, x.shape[0], normalization)


def euclidean_loss(x: Tensor, y: Tensor) -> Tensor:
    """Half the squared distance, by sample."""
    return ((x - y.reshape(x.shape)) ** 2).sum() / x.shape[0] / 2


def hinge_loss(x: Tensor, label: Tensor, squared: bool = False) -> Tensor:
    """The sum of max(0, 1 + x), and max(0, 1 - x) at the label, by sample; of their squares where `squared`.

    NaN is not above 0, and so counts as 0.
    """
    scores = x.reshape(x.shape[0], -1)
    sign = torch.ones_like(scores).scatter(1, label.reshape(-1, 1).long(), -1.0)
    margin = 1 + sign * scores
    margin = torch.where(margin > 0, margin, 0.0)
    return (margin**2 if squared else margin).sum() / x.shape[0]


def contrastive_loss(
    a: Tensor, b: Tensor, similar: Tensor, margin: float, legacy: bool = False
) -> Tensor:
    """Half of d^2 where similar, else of max(margin - d, 0)^2 (legacy: max(margin - d^2, 0)), by sample.

    The gradient of d is (a - b) / (d + 1e-4), as in Caffe.
    """
    square = ((a - b.reshape(a.shape)).reshape(a.shape[0], -1) ** 2).sum(1)
    root = square.detach().sqrt()
    distance = root + (square - square.detach()) / (2 * (root + 1e-4))
    apart = F.relu(margin - square) if legacy else F.relu(margin - distance) ** 2
    return (
        torch.where(similar.flatten().int() != 0, square, apart).sum() / a.shape[0] / 2
    )


def accuracy(
    x: Tensor,
    label: Tensor,
    axis: int = 1,
    top_k: int = 1,
    ignore_label: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The share of labels whose score is among the top_k, and that share for each class. A tie counts against."""
    rows = classes_last(x, axis)
    target = label.flatten().long()
    counted = counting(target, ignore_label)
    target = torch.where(counted, target, 0)
    at_label = rows.gather(1, target[:, None])
    hit = ((rows >= at_label).sum(1) <= top_k) & counted
    zeros = torch.zeros(rows.shape[1], dtype=x.dtype, device=x.device)
    hits = zeros.scatter_add(0, target, hit.to(x.dtype))
    seen = zeros.scatter_add(0, target, counted.to(x.dtype))
    return hits.sum() / counted.sum().clamp(min=1), hits / seen.clamp(min=1)


def smooth_l1_loss(
    x: Tensor,
    y: Tensor,
    inside: Tensor | None = None,
    outside: Tensor | None = None,
    sigma: float = 1.0,
) -> Tensor:
    """Half the square of sigma times the difference where it is below 1 / sigma^2, else its size; by sample."""
    d = x - y.reshape(x.shape)
    d = d if inside is None else d * inside.detach().reshape(x.shape)
    near = sigma * sigma
    losses = torch.where(d.abs() < 1 / near, near * d * d / 2, d.abs() - 0.5 / near)
    losses = losses if outside is None else losses * outside.detach().reshape(x.shape)
    return losses.sum() / x.shape[0]


def l1_loss(
    x: Tensor,
    y: Tensor | None = None,
    vectors: bool = False,
    prescale: bool = False,
    by_entries: bool = False,
    epsilon: float = 0.0,
    plateau: float = 0.0,
) -> Tensor:
    """Distances by sample: of each value, or of each place's vector; those below the plateau, and NaN, are 0."""
    d = x if y is None else x - y
    counts = ~d.isnan()
    size = torch.where(counts, d, 0.0).abs()
    least = plateau
    if vectors:
        squares = size**2
        size = squares.mean(1) if prescale else squares.sum(1)
        least = plateau**2
    if plateau > 0:
        size = torch.where(size < least, 0.0, size)
    size = torch.sqrt(size + epsilon) if vectors else size
    if by_entries:
        return size.sum() * x.shape[1] / counts.sum()
    return size.sum() / x.shape[0]
