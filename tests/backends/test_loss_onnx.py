"""The losses and Accuracy as ONNX models, in onnxruntime, against the same loops in numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import caffe2py
from tests.helpers.nets import graph_of
from tests.helpers.runtimes import in_onnxruntime
from tests.helpers.tables.losses import ACCURACIES, CASES, Array, Case, accuracy, net

FLOAT32 = 1e-5  # the model computes in float32, the loops in float64


def run(text: str, case: Case, folder: Path) -> list[Array]:
    model = caffe2py.to_onnx(graph_of(text))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, folder / "net.onnx")
    names = [o.name for o in model.graph.output]
    inputs = {f"b{i}": b.astype(np.float32) for i, b in enumerate(case.bottoms)}
    values = in_onnxruntime(folder / "net.onnx", names)(inputs)
    return [values[name] for name in names]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_loss(case: Case, tmp_path: Path) -> None:
    single = Case(case.type, case.settings, tuple(b.astype(np.float32) for b in case.bottoms), case.want, case.options)
    want, _ = case.want(*(b.astype(np.float64) for b in single.bottoms), **case.options)
    (loss,) = run(net(single), single, tmp_path)
    assert loss.shape == ()
    assert float(loss) == pytest.approx(want, rel=FLOAT32, abs=FLOAT32)


@pytest.mark.parametrize(("settings", "bottoms", "options"), ACCURACIES.values(), ids=ACCURACIES)
def test_accuracy(settings: str, bottoms: tuple[Array, ...], options: dict[str, int], tmp_path: Path) -> None:
    case = Case("Accuracy", f"accuracy_param {{ {settings} }}", bottoms, accuracy)
    want, by_class = accuracy(*(b.astype(np.float32) for b in bottoms), **options)
    total, each = run(net(case, 'top: "a" top: "by_class"'), case, tmp_path)
    assert float(total) == pytest.approx(want, rel=FLOAT32)
    assert each.tolist() == pytest.approx(by_class, rel=FLOAT32)
