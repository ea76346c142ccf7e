"""Losses and Accuracy as loops in numpy that follow Caffe's C++, value and gradient, for what was not recorded."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from caffe2py.backends.torch.run import runner
from tests.helpers.nets import graph_of

Array = np.ndarray
RANDOM = np.random.RandomState(5)
FLT_MIN = float(np.finfo(np.float32).tiny)
CLOSE = 1e-12  # both sides compute in float64


@dataclass(frozen=True)
class Case:
    """A loss layer, its bottoms, and what Caffe's loops make of them: (top, diff of each bottom that has one)."""

    type: str
    settings: str
    bottoms: tuple[Array, ...]
    want: Callable[..., tuple[float, list[Array]]]
    options: Mapping[str, Any] = field(default_factory=dict)


def scores(*shape: int) -> Array:
    return RANDOM.uniform(-3, 3, shape)


def labels(high: int, *shape: int) -> Array:
    return RANDOM.randint(0, high, shape).astype(np.float64)


def softmax(x: Array, axis: int) -> Array:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def divisor(mode: str, outer: int, inner: int, valid: int) -> float:
    """LossLayer::GetNormalizer."""
    return max({"FULL": outer * inner, "VALID": valid, "BATCH_SIZE": outer, "NONE": 1}[mode], 1)


def softmax_loss(x: Array, label: Array, axis: int = 1, mode: str = "VALID", ignore: int | None = None) -> Any:
    outer, inner = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
    p = softmax(x, axis).reshape(outer, x.shape[axis], inner)
    diff, loss, valid = p.copy(), 0.0, 0
    for i in range(outer):
        for j in range(inner):
            k = int(label.reshape(outer, inner)[i, j])
            if k == ignore:
                diff[i, :, j] = 0
                continue
            loss -= math.log(max(p[i, k, j], FLT_MIN))
            diff[i, k, j] -= 1
            valid += 1
    n = divisor(mode, outer, inner, valid)
    return loss / n, [(diff / n).reshape(x.shape)]


def infogain(x: Array, label: Array, gain: Array, axis: int = 1, mode: str = "VALID", ignore: int | None = None) -> Any:
    outer, inner, classes = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :]), x.shape[axis]
    p = softmax(x, axis).reshape(outer, classes, inner)
    gain = gain.reshape(classes, classes)
    diff, loss, valid = np.zeros_like(p), 0.0, 0
    for i in range(outer):
        for j in range(inner):
            k = int(label.reshape(outer, inner)[i, j])
            if k == ignore:
                continue
            valid += 1
            for c in range(classes):
                loss -= gain[k, c] * math.log(max(p[i, c, j], 1e-20))
                diff[i, c, j] = p[i, c, j] * gain[k].sum() - gain[k, c]
    n = divisor(mode, outer, inner, valid)
    return loss / n, [(diff / n).reshape(x.shape)]


def multinomial(p: Array, label: Array) -> Any:
    rows, loss = p.reshape(len(p), -1), 0.0
    diff = np.zeros_like(rows)
    for i, k in enumerate(label.reshape(-1).astype(int)):
        safe = max(rows[i, k], 1e-20)
        loss -= math.log(safe)
        diff[i, k] = -1 / safe / len(p)
    return loss / len(p), [diff.reshape(p.shape)]


def sigmoid_loss(x: Array, label: Array, mode: str = "BATCH_SIZE", ignore: int | None = None) -> Any:
    diff, loss, valid = np.zeros(x.size), 0.0, 0
    for i, (v, t) in enumerate(zip(x.reshape(-1), label.reshape(-1), strict=True)):
        if int(t) == ignore:
            continue
        loss -= v * (t - (v >= 0)) - math.log(1 + math.exp(v - 2 * v * (v >= 0)))
        diff[i] = 1 / (1 + math.exp(-v)) - t
        valid += 1
    n = divisor(mode, len(x), x.size // len(x), valid)
    return loss / n, [(diff / n).reshape(x.shape)]


def euclidean(x: Array, y: Array) -> Any:
    diff = x.reshape(-1) - y.reshape(-1)
    return (diff @ diff) / len(x) / 2, [(diff / len(x)).reshape(x.shape), (-diff / len(x)).reshape(y.shape)]


def hinge(x: Array, label: Array, squared: bool = False) -> Any:
    margin = x.reshape(len(x), -1).copy()
    sign = np.ones_like(margin)
    for i, k in enumerate(label.reshape(-1).astype(int)):
        sign[i, k] = -1
    margin = np.array([max(0, 1 + m) for m in (sign * margin).flat]).reshape(margin.shape)  # of NaN 0, as in C++
    loss = (margin**2).sum() if squared else margin.sum()
    diff = sign * (2 * margin if squared else np.sign(margin))
    return loss / len(x), [(diff / len(x)).reshape(x.shape)]


def contrastive(a: Array, b: Array, similar: Array, margin: float = 1.0, legacy: bool = False) -> Any:
    n, loss = len(a), 0.0
    d = (a - b).reshape(n, -1)
    diff = np.zeros_like(d)
    for i in range(n):
        square = d[i] @ d[i]
        root = math.sqrt(square)
        if int(similar.reshape(-1)[i]):
            loss += square
            diff[i] = d[i] / n
        elif legacy:
            loss += max(margin - square, 0.0)
            diff[i] = -d[i] / n if margin - square > 0 else 0
        else:
            loss += max(margin - root, 0.0) ** 2
            diff[i] = -d[i] / n * (margin - root) / (root + 1e-4) if margin - root > 0 else 0
    return loss / n / 2, [diff.reshape(a.shape), -diff.reshape(a.shape)]


X, Y = scores(2, 5, 3, 4), labels(5, 2, 3, 4)
ROWS, ROW_LABELS = scores(4, 6), labels(6, 4)
FAR = np.array([[200.0, -200.0, 1.0], [3.0, 2.0, -150.0]])  # probabilities that vanish in float32
GAIN = RANDOM.uniform(0, 2, (5, 5))
PROBABILITIES = softmax(scores(4, 3, 2).reshape(4, 6), 1).reshape(4, 3, 2)
VANISHED = np.array([[0.0, 1.0], [-0.5, 1.5], [1e-30, 1.0]])
PAIRS = (scores(5, 3), scores(5, 3), np.array([1.0, 0, 0, 1, 0]))
SAME = np.ones((2, 3))


def loss_settings(mode: str | None, ignore: int | None, normalize: bool | None = None) -> str:
    words = [f"normalization: {mode}"] if mode else []
    words += [f"ignore_label: {ignore}"] if ignore is not None else []
    words += [f"normalize: {str(normalize).lower()}"] if normalize is not None else []
    return f"loss_param {{ {' '.join(words)} }}"


CASES: dict[str, Case] = {
    **{
        f"SoftmaxWithLoss {mode} ignoring {ignore}": Case(
            "SoftmaxWithLoss", loss_settings(mode, ignore), (X, Y), softmax_loss, {"mode": mode, "ignore": ignore}
        )
        for mode in ("FULL", "VALID", "BATCH_SIZE", "NONE")
        for ignore in (None, 2)
    },
    "SoftmaxWithLoss normalize true": Case(
        "SoftmaxWithLoss", loss_settings(None, 1, True), (X, Y), softmax_loss, {"ignore": 1}
    ),
    "SoftmaxWithLoss normalize beside normalization": Case(
        "SoftmaxWithLoss", loss_settings("NONE", None, True), (X, Y), softmax_loss, {"mode": "NONE"}
    ),
    "SoftmaxWithLoss last axis": Case(
        "SoftmaxWithLoss",
        "softmax_param { axis: -1 } " + loss_settings("BATCH_SIZE", None),
        (X, labels(4, 2, 5, 3)),
        softmax_loss,
        {"axis": 3, "mode": "BATCH_SIZE"},
    ),
    "SoftmaxWithLoss first axis": Case(
        "SoftmaxWithLoss",
        "softmax_param { axis: 0 } " + loss_settings("BATCH_SIZE", None),
        (X, labels(2, 2, 30)),
        softmax_loss,
        {"axis": 0, "mode": "BATCH_SIZE"},
    ),
    "SoftmaxWithLoss of one axis": Case(
        "SoftmaxWithLoss", "softmax_param { axis: 0 }", (np.array([0.5]), np.zeros(1)), softmax_loss, {"axis": 0}
    ),
    "SoftmaxWithLoss ignoring -1": Case(
        "SoftmaxWithLoss", loss_settings(None, -1), (ROWS, np.array([-1.0, 3, -1, 0])), softmax_loss, {"ignore": -1}
    ),
    "SoftmaxWithLoss ignoring all": Case(
        "SoftmaxWithLoss", loss_settings(None, 255), (ROWS, np.full(4, 255.0)), softmax_loss, {"ignore": 255}
    ),
    "SoftmaxWithLoss vanishing probability": Case("SoftmaxWithLoss", "", (FAR, np.array([1.0, 2.0])), softmax_loss),
    "SoftmaxWithLoss label in four axes": Case(
        "SoftmaxWithLoss", "", (ROWS, ROW_LABELS.reshape(4, 1, 1, 1)), softmax_loss
    ),
    **{
        f"InfogainLoss {mode} ignoring {ignore}": Case(
            "InfogainLoss", loss_settings(mode, ignore), (X, Y, GAIN), infogain, {"mode": mode, "ignore": ignore}
        )
        for mode in ("FULL", "VALID", "BATCH_SIZE", "NONE")
        for ignore in (None, 2)
    },
    "InfogainLoss axis": Case(
        "InfogainLoss",
        "infogain_loss_param { axis: -1 }",
        (X, labels(4, 2, 5, 3), GAIN[:4, :4]),
        infogain,
        {"axis": 3},
    ),
    "InfogainLoss vanishing probability": Case("InfogainLoss", "", (FAR, np.array([1.0, 2.0]), GAIN[:3, :3]), infogain),
    "MultinomialLogisticLoss over all axes": Case(
        "MultinomialLogisticLoss", "", (PROBABILITIES, labels(6, 4)), multinomial
    ),
    "MultinomialLogisticLoss vanishing probability": Case(
        "MultinomialLogisticLoss", "", (VANISHED, np.zeros(3)), multinomial
    ),
    **{
        f"SigmoidCrossEntropyLoss {mode} ignoring {ignore}": Case(
            "SigmoidCrossEntropyLoss",
            loss_settings(mode, ignore),
            (ROWS, RANDOM.uniform(-1, 2, (4, 6))),
            sigmoid_loss,
            {"mode": mode, "ignore": ignore},
        )
        for mode in ("FULL", "VALID", "BATCH_SIZE", "NONE")
        for ignore in (None, 0)
    },
    "SigmoidCrossEntropyLoss normalize true": Case(
        "SigmoidCrossEntropyLoss",
        loss_settings(None, 1, True),
        (ROWS, labels(2, 4, 6)),
        sigmoid_loss,
        {"mode": "VALID", "ignore": 1},
    ),
    "SigmoidCrossEntropyLoss at zero": Case(
        "SigmoidCrossEntropyLoss", "", (np.zeros((2, 3)), labels(2, 2, 3)), sigmoid_loss
    ),
    "EuclideanLoss other shape": Case("EuclideanLoss", "", (scores(3, 4, 2), scores(3, 8)), euclidean),
    "HingeLoss over all axes": Case("HingeLoss", "", (scores(3, 2, 4), labels(8, 3, 1, 1)), hinge),
    "HingeLoss L2 over all axes": Case(
        "HingeLoss", "hinge_loss_param { norm: L2 }", (scores(3, 2, 4), labels(8, 3)), hinge, {"squared": True}
    ),
    "HingeLoss of NaN": Case(
        "HingeLoss", "", (np.array([[math.nan, -2.0, 0.5], [1, math.nan, 2]]), np.zeros(2)), hinge
    ),
    "HingeLoss at its corner": Case("HingeLoss", "", (np.array([[1.0, -1.0, 0.5]]), np.zeros(1)), hinge),
    "ContrastiveLoss far": Case("ContrastiveLoss", "", PAIRS, contrastive),
    "ContrastiveLoss near": Case(
        "ContrastiveLoss", "contrastive_loss_param { margin: 6 }", PAIRS, contrastive, {"margin": 6.0}
    ),
    "ContrastiveLoss legacy": Case(
        "ContrastiveLoss",
        "contrastive_loss_param { margin: 20 legacy_version: true }",
        PAIRS,
        contrastive,
        {"margin": 20.0, "legacy": True},
    ),
    "ContrastiveLoss of one point": Case("ContrastiveLoss", "", (SAME, SAME, np.array([0.0, 1.0])), contrastive),
}


def accuracy(
    x: Array, label: Array, axis: int = 1, top_k: int = 1, ignore: int | None = None
) -> tuple[float, list[float]]:
    outer, inner, classes = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :]), x.shape[axis]
    rows, hits, seen = x.reshape(outer, classes, inner), [0] * classes, [0] * classes
    for i in range(outer):
        for j in range(inner):
            k = int(label.reshape(outer, inner)[i, j])
            if k == ignore:
                continue
            seen[k] += 1
            better = -1
            for c in range(classes):
                better += int(rows[i, c, j] >= rows[i, k, j])
            hits[k] += better < top_k
    return sum(hits) / max(sum(seen), 1), [h / max(s, 1) for h, s in zip(hits, seen, strict=True)]


TIED = np.round(scores(6, 5))
ACCURACIES: dict[str, tuple[str, tuple[Array, ...], dict[str, int]]] = {
    "top 1": ("", (X, Y), {}),
    "top 3 of ties": ("top_k: 3", (TIED, labels(5, 6)), {"top_k": 3}),
    "all classes": ("top_k: 5", (TIED, labels(5, 6)), {"top_k": 5}),
    "ignoring": ("ignore_label: 2 top_k: 2", (X, Y), {"ignore": 2, "top_k": 2}),
    "ignoring -1": ("ignore_label: -1", (ROWS, np.array([-1.0, 3, -1, 0])), {"ignore": -1}),
    "ignoring all": ("ignore_label: 255", (ROWS, np.full(4, 255.0)), {"ignore": 255}),
    "last axis": ("axis: -1", (X, labels(4, 2, 5, 3)), {"axis": 3}),
}


def net(case: Case, tops: str = 'top: "loss"', more: str = "") -> str:
    """The layer behind an Input for each bottom."""
    text = ""
    for i, b in enumerate(case.bottoms):
        dims = " ".join(f"dim: {d}" for d in b.shape)
        text += f'layer {{ name: "b{i}" type: "Input" top: "b{i}" input_param {{ shape {{ {dims} }} }} }}\n'
    bottoms = " ".join(f'bottom: "b{i}"' for i in range(len(case.bottoms)))
    return text + f'layer {{ name: "l" type: "{case.type}" {bottoms} {tops} {case.settings} {more} }}'


def run(text: str, case: Case) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The layer's tops and the bottoms that they were made from."""
    made = runner(graph_of(text), "exact", dtype=torch.float64)
    bottoms = [torch.from_numpy(b.copy()).requires_grad_() for b in case.bottoms]
    *_, (_, tops) = made.steps({f"b{i}": b for i, b in enumerate(bottoms)})
    return tops, bottoms
