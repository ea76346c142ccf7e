"""The tables of layers at their edges, through onnxruntime."""

from __future__ import annotations

import re

import numpy as np
import onnx
import pytest

import caffe2py
from caffe2py.graph.fillers import fill_weights
from caffe2py.graph.free_sizes import with_inputs
from tests.helpers.absent import needs_module
from tests.helpers.layer_cases import Arrays, relative
from tests.helpers.nets import graph_of
from tests.helpers.tables.layers import Table, net
from tests.helpers.tables.learned import Learned, learned
from tests.helpers.tables.windows import TABLES

onnxruntime = needs_module("onnxruntime", "onnxruntime")

FORWARD = 1e-5  # float32 against float64: a sum of n products errs by about sqrt(n) * 6e-8 of the largest term
# No batch to leave free: scalars, layers that compute along it, and those that take one picture.
FIXED = re.compile(r"AbsVal-a scalar|MVN-0 axes|(ArgMax|Crop)-.*axis: (0|-3)\b|.*Proposal-|Python-(py-faster|MNC)")


def ort(model: onnx.ModelProto, inputs: Arrays) -> Arrays:
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # it warns that a Filter's top is smaller than its bottom
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, inputs), strict=True))


@pytest.mark.parametrize("table", TABLES, ids=lambda t: f"{t.type}-{t.id}")
def test_table(table: Table) -> None:
    graph = graph_of(net(table.type, table.params, [x.shape for x in table.bottoms], len(table.tops)))
    model = caffe2py.to_onnx(graph)
    made = ort(model, {f"x{i}": x.astype(np.float32) for i, x in enumerate(table.bottoms)})
    for i, top in enumerate(table.tops):
        assert relative(made[f"y{i}"], top) <= FORWARD


@pytest.mark.parametrize("table", TABLES, ids=lambda t: f"{t.type}-{t.id}")
def test_free_batch(table: Table) -> None:
    """With twice of each free size the model makes what the net makes that is built for that size."""
    graph = graph_of(net(table.type, table.params, [x.shape for x in table.bottoms], len(table.tops)))
    model = caffe2py.to_onnx(graph)
    inputs = {}
    for given, x in zip(model.graph.input, table.bottoms, strict=True):
        free = [i for i, dim in enumerate(given.type.tensor_type.shape.dim) if dim.dim_param]
        inputs[given.name] = np.concatenate([x] * 2, free[0]).astype(np.float32) if free else x.astype(np.float32)
    fixed = all(inputs[f"x{i}"].shape == x.shape for i, x in enumerate(table.bottoms))
    assert fixed == bool(FIXED.match(f"{table.type}-{table.id}"))
    made = ort(model, inputs)
    for blob, top in caffe2py.run(with_inputs(graph, {k: x.shape for k, x in inputs.items()}), inputs).items():
        assert relative(made[blob], top) <= FORWARD


@pytest.mark.parametrize("case", learned(), ids=lambda c: f"{c.type}-{c.x.ndim} axes-{c.params}")
def test_learned(case: Learned) -> None:
    graph = fill_weights(graph_of(net(case.type, case.params, [case.x.shape])), 5)
    model = caffe2py.to_onnx(graph)
    blobs = [w.data for w in graph.node("y").weights]
    assert relative(ort(model, {"x0": case.x.astype(np.float32)})["y0"], case.top(case.x, *blobs)) <= FORWARD


def test_layers_without_bottoms() -> None:
    graph = graph_of(
        'layer { name: "d" type: "DummyData" top: "a" top: "b" dummy_data_param { '
        'shape { dim: 2 dim: 3 } data_filler { type: "gaussian" } data_filler { value: 7 } } }'
        'layer { name: "p" type: "Parameter" top: "p" parameter_param { shape { dim: 2 } } }'
    )
    filled = fill_weights(graph, 1)
    made, ours = ort(caffe2py.to_onnx(filled), {}), caffe2py.run(filled, {})
    assert made.keys() == ours.keys() == {"a", "b", "p"}
    for blob, values in ours.items():
        np.testing.assert_array_equal(made[blob], values, strict=True)
