"""Layers of the forks that nobody recorded, or not enough of, against their formulas: in torch and in onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import caffe2py
from tests.helpers.layer_runs import EXACT, FORWARD, STYLES, computed
from tests.helpers.runtimes import in_onnxruntime
from tests.helpers.tables.forks.every import FORMULA_CASES
from tests.helpers.tables.forks.formula import Formula

every = pytest.mark.parametrize("formula", FORMULA_CASES, ids=lambda f: f.id)


@every
@pytest.mark.parametrize("style", STYLES)
def test_torch(formula: Formula, style: str) -> None:
    graph = formula.graph()
    _, tops = computed(graph, formula.bottoms, style)
    assert [graph.shapes[v] for v in graph.results] == [top.shape for top in formula.tops]
    for top, want in zip(tops, formula.tops, strict=True):
        np.testing.assert_allclose(
            top.detach().numpy(), want, rtol=formula.bar, atol=max(formula.bar / 10, EXACT), strict=True
        )


@pytest.mark.parametrize("formula", [f for f in FORMULA_CASES if f.onnx], ids=lambda f: f.id)
def test_onnxruntime(formula: Formula, tmp_path: Path) -> None:
    model = caffe2py.to_onnx(formula.graph())
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, tmp_path / "net.onnx")
    run = in_onnxruntime(tmp_path / "net.onnx", [o.name for o in model.graph.output])
    made = run({f"x{i}": x.astype(np.float32) for i, x in enumerate(formula.bottoms)})
    for top, want in zip(made.values(), formula.tops, strict=True):
        np.testing.assert_allclose(top, want, rtol=FORWARD, atol=FORWARD * np.abs(want[np.isfinite(want)]).max())
