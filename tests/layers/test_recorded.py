"""Random nets, and nets at the edges of what Caffe runs: every case is equal, or refused here as it is in Caffe."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from caffe2py.backends.onnx.model import to_onnx
from caffe2py.backends.torch.run import run, runner
from caffe2py.backends.torch.source import program
from caffe2py.errors import CaffeError, UnsupportedError
from caffe2py.graph.build import build
from caffe2py.proto.filter import filter_net
from caffe2py.proto.net import parse_net
from tests.helpers.absent import each
from tests.helpers.layer_cases import Case, cases, relative
from tests.helpers.layer_runs import FORWARD, STYLES, forward
from tests.helpers.reference import found
from tests.helpers.runtimes import in_onnxruntime
from tests.helpers.tables.differing import COMPUTED, LOADED, NUMBERS

FILES = ("random/forward", "random/backward", "faults/runs")
EDGES = [c for c in cases("faults/runs") if c.id not in NUMBERS]
REFUSED = {
    f"{path.parent.name}/{name}": case["prototxt"]
    for path in found("random/refused.json") + found("faults/refused.json")
    for name, case in json.loads(path.read_text()).items()
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("file", FILES)
def test_forward(file: str, style: str) -> None:
    errors = {case.id: _error(case, style) for case in cases(file) if case.id not in NUMBERS}
    assert errors or not found(f"{file}.h5")
    assert not {name: error for name, error in errors.items() if error > FORWARD}


def _error(case: Case, style: str) -> float:
    graph = case.graph()
    assert list(graph.outputs) == case.outputs, case.id
    _, blobs, _ = forward(case, runner(graph, style))
    return max((relative(blobs[name], case.tops[name]) for name in case.outputs), default=0.0)


@each("case", EDGES, "faults/", ids=lambda case: case.id)
def test_onnx(case: Case, tmp_path: Path) -> None:
    graph = case.graph()
    if not graph.outputs:
        with pytest.raises(UnsupportedError, match="has no output"):
            to_onnx(graph)
        return
    model = to_onnx(graph)
    onnx.save(model, tmp_path / "net.onnx")
    names = [o.name for o in model.graph.output]
    tops = in_onnxruntime(tmp_path / "net.onnx", names)(case.inputs)
    assert max(relative(tops[name], case.tops[blob]) for blob, name in zip(case.outputs, names, strict=True)) <= FORWARD


@each("name", sorted(REFUSED), "random/ and faults/", ids=str)
def test_refused(name: str) -> None:
    def compute() -> None:
        program(build(filter_net(parse_net(REFUSED[name], "net.prototxt"))))

    if name in COMPUTED:
        compute()
        return
    with pytest.raises(CaffeError):
        compute()


def test_every_exception_is_a_case() -> None:
    assert {*NUMBERS, *LOADED} <= {case.id for file in FILES for case in cases(file)} and set(COMPUTED) <= set(REFUSED)


def test_dropout_in_a_phase_of_its_own() -> None:
    """Caffe's numbers are drawn: each is 0, or twice the input's."""
    for case in cases("faults/*"):
        if case.id == "runs-phase_dropout_train":
            x, top = case.inputs["data"], run(case.graph(), case.inputs)["x"]
            for each_ in (top, case.tops["x"]):
                np.testing.assert_array_equal(each_, np.where(each_ == 0, 0, 2 * x))
            assert 0 < np.count_nonzero(top) < top.size
