"""Layers of the forks that nobody recorded, or not enough of, against their formulas: in torch and in onnxruntime."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import caffe2py
from caffe2py.backends.torch.run import runner
from tests.helpers.layer_runs import EXACT, FORWARD, STYLES, computed
from tests.helpers.runtimes import in_onnxruntime
from tests.helpers.tables.forks.every import FORMULA_CASES
from tests.helpers.tables.forks.formula import Formula, some

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


def test_a_lattice_is_not_counted_in_float16() -> None:
    field = next(f for f in FORMULA_CASES if f.type == "MultiStageMeanfield")
    with pytest.raises(
        caffe2py.CaffeError, match=r'"y" \(MultiStageMeanfield\): counts the points of a lattice, which float16 cannot'
    ):
        caffe2py.to_onnx(field.graph(), float16=True)


def test_what_a_training_step_leaves_of_bn() -> None:
    """The stored statistics take in a share of the batch's; the variance is that of the batch alone, not of what it is
    drawn from."""
    x, (slope, bias, mean, variance) = some(4, 3, 2, 2), (some(1, 3, 1, 1, low=0.25) for _ in range(4))
    formula = Formula("BN", "bn_param { momentum: 0.75 }", [x], [x], [slope, bias, mean, variance])
    made = runner(replace(formula.graph(), phase="TRAIN"), "exact", dtype=torch.float64)
    made.module.train()
    top = made.module(torch.from_numpy(x)).detach().numpy()
    centre, spread = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
    np.testing.assert_allclose(top, slope * (x - centre) / np.sqrt(spread + 1e-5) + bias, rtol=1e-9)
    left = dict(made.module.named_buffers())
    for name, old, batch in (("y_mean", mean, centre), ("y_variance", variance, spread)):
        np.testing.assert_allclose(left[name].numpy(), 0.75 * old + 0.25 * batch, rtol=1e-9)
