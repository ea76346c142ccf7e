"""Accuracy against a loop in numpy that follows Caffe's C++, for what was not recorded."""

from __future__ import annotations

import math

import numpy as np
import pytest

from caffe2py.errors import NetError
from tests.helpers.nets import graph_of
from tests.layers.test_loss_semantics import CLOSE, ROW_LABELS, ROWS, Array, Case, X, Y, labels, net, run, scores


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


@pytest.mark.parametrize(("settings", "bottoms", "options"), ACCURACIES.values(), ids=ACCURACIES)
def test_accuracy(settings: str, bottoms: tuple[Array, ...], options: dict[str, int]) -> None:
    case = Case("Accuracy", f"accuracy_param {{ {settings} }}", bottoms, accuracy)
    want, by_class = accuracy(*bottoms, **options)
    (total, each), _ = run(net(case, 'top: "a" top: "by_class"'), case)
    assert total.item() == pytest.approx(want, rel=CLOSE)
    assert each.tolist() == pytest.approx(by_class, rel=CLOSE)


def test_more_than_all_classes_is_refused() -> None:
    case = Case("Accuracy", "accuracy_param { top_k: 7 }", (ROWS, ROW_LABELS), accuracy)
    with pytest.raises(NetError, match="top_k 7 is more than 6 classes"):
        graph_of(net(case))
