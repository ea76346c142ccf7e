"""How a gradient becomes a step: Caffe's solver types (src/caffe/solvers).

Each rule is given the gradient g (with the weight decay in it), the histories that it keeps for the blob, which it
renews in place, and the rate. It returns the step that is taken off the blob.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Rule = Callable[[Any, int, Tensor, Sequence[Tensor], float], Tensor]


@dataclass(frozen=True)
class Kind:
    """A solver type: its rule, and how many histories it keeps for a blob."""

    rule: Rule
    histories: int = 1


def sgd(param: Any, iteration: int, g: Tensor, history: Sequence[Tensor], rate: float) -> Tensor:
    """h = momentum * h + rate * g; the step is h."""
    return history[0].mul_(param.momentum).add_(g, alpha=rate)


def nesterov(param: Any, iteration: int, g: Tensor, history: Sequence[Tensor], rate: float) -> Tensor:
    """h' = momentum * h + rate * g; the step is (1 + momentum) * h' - momentum * h."""
    before = history[0] * param.momentum
    after = history[0].mul_(param.momentum).add_(g, alpha=rate)
    return (1 + param.momentum) * after - before


def adagrad(param: Any, iteration: int, g: Tensor, history: Sequence[Tensor], rate: float) -> Tensor:
    """h = h + g^2; the step is rate * g / (sqrt(h) + delta)."""
    history[0].addcmul_(g, g)
    return rate * g / (history[0].sqrt() + param.delta)


def rmsprop(param: Any, iteration: int, g: Tensor, history: Sequence[Tensor], rate: float) -> Tensor:
    """h = rms_decay * h + (1 - rms_decay) * g^2; the step is rate * g / (sqrt(h) + delta)."""
    history[0].mul_(param.rms_decay).addcmul_(g, g, value=1 - param.rms_decay)
    return rate * g / (history[0].sqrt() + param.delta)


def adadelta(param: Any, iteration: int, g: Tensor, history: Sequence[Tensor], rate: float) -> Tensor:
    """h = m * h + (1 - m) * g^2; s = g * sqrt((u + delta) / (h + delta)); u = m * u + (1 - m) * s^2; rate * s.

    m is `momentum`.
    """
    squares, steps = history
    squares.mul_(param.momentum).addcmul_(g, g, value=1 - param.momentum)
    step = g * ((steps + param.delta) / (squares + param.delta)).sqrt()
    steps.mul_(param.momentum).addcmul_(step, step, value=1 - param.momentum)
    return rate * step


def adam(param: Any, iteration: int, g: Tensor, history: Sequence[Tensor], rate: float) -> Tensor:
    """m = b1 * m + (1 - b1) * g; v = b2 * v + (1 - b2) * g^2; the step is c * rate * m / (sqrt(v) + delta).

    b1 is `momentum`, b2 `momentum2`, c = sqrt(1 - b2^t) / (1 - b1^t), and t counts from 1.
    """
    mean, square = history
    mean.mul_(param.momentum).add_(g, alpha=1 - param.momentum)
    square.mul_(param.momentum2).addcmul_(g, g, value=1 - param.momentum2)
    t = iteration + 1
    correction = math.sqrt(1 - param.momentum2**t) / (1 - param.momentum**t)
    return rate * correction * mean / (square.sqrt() + param.delta)


KINDS: Mapping[str, Kind] = {
    "SGD": Kind(sgd),
    "Nesterov": Kind(nesterov),
    "AdaGrad": Kind(adagrad),
    "RMSProp": Kind(rmsprop),
    "AdaDelta": Kind(adadelta, 2),
    "Adam": Kind(adam, 2),
}


def decayed(g: Tensor, data: Tensor, decay: float, kind: str) -> Tensor:
    """The gradient with that of the weight decay: decay * w (L2), or decay * the sign of w (L1)."""
    if not decay:
        return g
    return g.add_(data if kind == "L2" else torch.sign(data), alpha=decay)
