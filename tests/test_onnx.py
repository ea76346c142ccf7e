"""ONNX against what Caffe recorded, through onnxruntime."""

from __future__ import annotations

import onnx
import pytest

import caffe2py
from tests.layer_cases import REFERENCE, Arrays, Case, read_cases, relative

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

CASES = list(read_cases(REFERENCE / "layers"))

# Both sides add in float32, in other orders: a sum of n products errs by about sqrt(n) * 6e-8 of the largest term.
FORWARD = 1e-5


def ort(model: onnx.ModelProto, inputs: Arrays) -> Arrays:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    wanted = {i.name for i in session.get_inputs()}
    made = session.run(None, {n: x for n, x in inputs.items() if n in wanted})
    return dict(zip([o.name for o in session.get_outputs()], made, strict=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_forward(case: Case) -> None:
    graph = case.graph()
    model = caffe2py.to_onnx(graph)
    onnx.checker.check_model(model, full_check=True)
    values = ort(model, case.inputs)
    errors = {name: relative(values[name], case.tops[name]) for name in graph.outputs}
    assert errors and max(errors.values()) <= FORWARD, errors
