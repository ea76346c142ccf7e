"""The gradients of layers whose blobs have been overwritten before their backward pass reads them.

Caffe's layers do not keep what they read: the gradient is a formula of what stands in the blobs by then. For a layer
that reads its bottoms alone it is the gradient of the layer's own function there. For those below it is said here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Formula = Callable[[Any, Sequence[Tensor], Tensor, Tensor, Sequence[Tensor]], Sequence[Tensor]]


def sigmoid(layer: Any, x: Sequence[Tensor], y: Tensor, dy: Tensor, first: Sequence[Tensor]) -> Sequence[Tensor]:
    return [dy * y * (1 - y)]


def tanh(layer: Any, x: Sequence[Tensor], y: Tensor, dy: Tensor, first: Sequence[Tensor]) -> Sequence[Tensor]:
    return [dy * (1 - y * y)]


def exp(layer: Any, x: Sequence[Tensor], y: Tensor, dy: Tensor, first: Sequence[Tensor]) -> Sequence[Tensor]:
    base = 1.0 if layer.base == -1 else float(torch.log(torch.tensor(layer.base)))
    return [dy * y * (base * layer.scale)]


def softmax(layer: Any, x: Sequence[Tensor], y: Tensor, dy: Tensor, first: Sequence[Tensor]) -> Sequence[Tensor]:
    return [(dy - (dy * y).sum(layer.axis, keepdim=True)) * y]


def elu(layer: Any, x: Sequence[Tensor], y: Tensor, dy: Tensor, first: Sequence[Tensor]) -> Sequence[Tensor]:
    return [dy * torch.where(x[0] > 0, 1.0, layer.alpha + y)]


def swish(layer: Any, x: Sequence[Tensor], y: Tensor, dy: Tensor, first: Sequence[Tensor]) -> Sequence[Tensor]:
    """Caffe keeps the sigmoid of the bottom as it was."""
    sigmoid_ = torch.sigmoid(layer.beta * first[0])
    return [dy * (layer.beta * y + sigmoid_ * (1 - layer.beta * y))]


def power(layer: Any, x: Sequence[Tensor], y: Tensor, dy: Tensor, first: Sequence[Tensor]) -> Sequence[Tensor]:
    factor = layer.power * layer.scale
    if layer.power == 2:
        return [dy * factor * (layer.scale * x[0] + layer.shift)]
    if layer.shift == 0:
        return [dy * layer.power * y / x[0]]
    return [dy * factor * y / (layer.scale * x[0] + layer.shift)]


def mvn(layer: Any, x: Sequence[Tensor], y: Tensor, dy: Tensor, first: Sequence[Tensor]) -> Sequence[Tensor]:
    """Caffe keeps the deviation of the bottom as it was, which may have had fewer axes."""
    y, dy = y.view_as(first[0]), dy.view_as(first[0])
    axes = layer.axes(first[0].shape)
    if not axes:
        return [torch.zeros_like(dy)]
    deviation = first[0].var(axes, unbiased=False, keepdim=True).sqrt() + layer.eps
    return [(dy - y * (dy * y).mean(axes, keepdim=True) - dy.mean(axes, keepdim=True)) / deviation]


def lrn(layer: Any, x: Sequence[Tensor], y: Tensor, dy: Tensor, first: Sequence[Tensor]) -> Sequence[Tensor]:
    """Across channels; Caffe keeps k + alpha / n * (sum of squares) of the bottom as it was."""
    n = layer.local_size
    scale = layer.k + layer.alpha / n * _over_channels(first[0].square(), n)
    return [dy * scale**-layer.beta - 2 * layer.alpha * layer.beta / n * x[0] * _over_channels(dy * y / scale, n)]


def _over_channels(x: Tensor, n: int) -> Tensor:
    padded = F.pad(x, (0, 0, 0, 0, n // 2, n // 2))
    return padded.unfold(1, n, 1).sum(-1)


def product(layer: Any, x: Sequence[Tensor], y: Tensor, dy: Tensor, first: Sequence[Tensor]) -> Sequence[Tensor]:
    return [dy * y / each for each in x]


FORMULAS: Mapping[str, Formula] = {
    "ELU": elu,
    "Exp": exp,
    "MVN": mvn,
    "Sigmoid": sigmoid,
    "Softmax": softmax,
    "Swish": swish,
    "TanH": tanh,
}


def formula(layer: Any, stale: bool) -> Formula | None:
    """How the gradient follows from the blobs: None where it is that of the layer's own function at its bottoms.

    `stale`: they have been overwritten since. A Power's gradient divides by them in any case, and so is NaN at 0. A
    formula is given the layer, its bottoms and top as they stand, the diff of the top, and the bottoms as they were.
    """
    if layer.type == "Power":
        return power if layer.read_back(in_place=False) else None
    if not stale:
        return None
    if layer.type == "LRN":
        return lrn if layer.norm_region == "ACROSS_CHANNELS" else None
    if layer.type == "Eltwise":
        return None if layer.stable_prod_grad else product
    return FORMULAS.get(layer.type)
