"""Losses and Accuracy against loops in numpy that follow Caffe's C++, value and gradient, for what was not recorded."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from caffe2py.backends.torch.run import runner
from caffe2py.errors import CaffeError, NetError
from caffe2py.proto.weights.mean import write_mean
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
    margin = np.maximum(0, 1 + sign * margin)
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
        (X, labels(2, 5, 3, 4)),
        softmax_loss,
        {"axis": 0, "mode": "BATCH_SIZE"},
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


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_loss(case: Case) -> None:
    want, diffs = case.want(*case.bottoms, **case.options)
    (loss,), bottoms = run(net(case), case)
    assert loss.shape == ()
    assert loss.item() == pytest.approx(want, rel=CLOSE, abs=CLOSE)
    (3 * loss).backward()  # loss_weight 3
    for bottom, diff in zip(bottoms, diffs, strict=False):
        assert bottom.grad is not None
        np.testing.assert_allclose(bottom.grad.numpy(), 3 * diff, rtol=1e-10, atol=CLOSE)
    assert all(bottom.grad is None for bottom in bottoms[len(diffs) :]), "labels get no gradient"


@pytest.mark.parametrize("name", ["SoftmaxWithLoss last axis", "InfogainLoss axis"])
def test_second_top_is_the_softmax_without_a_gradient(name: str) -> None:
    case = CASES[name]
    (loss, p), _ = run(net(case, 'top: "loss" top: "p"', "loss_weight: 1 loss_weight: 0"), case)
    np.testing.assert_allclose(p.detach().numpy(), softmax(case.bottoms[0], 3), rtol=CLOSE)
    assert loss.requires_grad and not p.requires_grad


def test_infogain_matrix_from_its_file_is_read_when_it_runs(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    case = Case("InfogainLoss", 'infogain_loss_param { source: "gain.binaryproto" }', (X, Y), infogain)
    graph_of(net(case))  # no file there yet: nothing is read
    gain = GAIN.astype(np.float32)
    write_mean("gain.binaryproto", gain[None])
    (loss,), _ = run(net(case), case)
    assert loss.item() == pytest.approx(infogain(X, Y, gain.astype(np.float64))[0], rel=CLOSE)


@pytest.mark.parametrize("path", ["/gain.binaryproto", "../gain.binaryproto", "a/../../gain.binaryproto"])
def test_infogain_opens_no_file_outside_the_folder(path: str, tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    write_mean("../gain.binaryproto", GAIN.astype(np.float32)[None])
    case = Case("InfogainLoss", f'infogain_loss_param {{ source: "{path}" }}', (X, Y), infogain)
    with pytest.raises(CaffeError, match="want one within the current folder"):
        run(net(case), case)


REFUSED = {
    "labels of another count": (Case("SoftmaxWithLoss", "", (X, ROW_LABELS), softmax_loss), "want 24"),
    "labels of another batch": (Case("HingeLoss", "", (ROWS, labels(6, 5)), hinge), "want as many samples"),
    "several labels": (
        Case("MultinomialLogisticLoss", "", (ROWS, labels(6, 4, 2)), multinomial),
        "want one label for each",
    ),
    "targets of another size": (
        Case("SigmoidCrossEntropyLoss", "", (ROWS, labels(2, 4, 5)), sigmoid_loss),
        "want as many values",
    ),
    "another size": (Case("EuclideanLoss", "", (ROWS, scores(4, 5)), euclidean), "has another size"),
    "no pairs": (
        Case("ContrastiveLoss", "", (scores(5, 3), scores(5, 4), labels(2, 5)), contrastive),
        "want (N, C) twice",
    ),
    "no matrix": (Case("InfogainLoss", "", (X, Y), infogain), "want it as a third bottom"),
    "matrix of another size": (Case("InfogainLoss", "", (X, Y, GAIN[:4]), infogain), "want 25 values"),
}


@pytest.mark.parametrize(("case", "fact"), REFUSED.values(), ids=REFUSED)
def test_refused(case: Case, fact: str) -> None:
    with pytest.raises(NetError) as caught:
        graph_of(net(case))
    assert fact in str(caught.value)
