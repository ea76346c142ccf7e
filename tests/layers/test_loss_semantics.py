"""Losses against loops in numpy that follow Caffe's C++, value and gradient, for what was not recorded."""

from __future__ import annotations

import numpy as np
import pytest

from caffe2py.errors import CaffeError, NetError
from caffe2py.proto.weights.mean import write_mean
from tests.helpers.nets import graph_of
from tests.helpers.tables.losses import (
    CASES,
    CLOSE,
    GAIN,
    ROWS,
    Case,
    X,
    Y,
    contrastive,
    euclidean,
    hinge,
    infogain,
    labels,
    multinomial,
    net,
    run,
    scores,
    sigmoid_loss,
    softmax,
    softmax_loss,
)


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
    "labels of another count": (Case("SoftmaxWithLoss", "", (X, labels(5, 2, 11)), softmax_loss), "want 24"),
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
