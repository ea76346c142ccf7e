"""Accuracy against a loop in numpy that follows Caffe's C++, for what was not recorded."""

from __future__ import annotations

import pytest

from caffe2py.errors import NetError
from tests.helpers.nets import graph_of
from tests.helpers.tables.losses import ACCURACIES, CLOSE, ROW_LABELS, ROWS, Array, Case, accuracy, net, run


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
