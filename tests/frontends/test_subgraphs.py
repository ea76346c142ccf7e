"""Layers of forks that ONNX says in many operators come back as what they were, or are listed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, numpy_helper

import caffe2py
from caffe2py.errors import UnsupportedError
from caffe2py.frontends.caffe.targets import target
from tests.helpers.absent import each
from tests.helpers.detector import BLOBS, QUARTERS
from tests.helpers.nets import command, graph_of, steady_weights, with_weights
from tests.helpers.onnx_models import weights
from tests.helpers.reference import found

SSD = target(dialect="ssd")
GIVEN = "num_classes: 3 confidence_threshold: 0.1 code_type: CENTER_SIZE"
CASES = {
    "as it is": GIVEN,
    "corners": "num_classes: 3 confidence_threshold: 0.1 code_type: CORNER",
    "corners by size, all that is found": "num_classes: 3 code_type: CORNER_SIZE",
    "variances in the boxes": f"{GIVEN} variance_encoded_in_target: true",
    "another background": f"{GIVEN} background_label_id: 2",
    "few of them": f"{GIVEN} keep_top_k: 2 nms_param {{ nms_threshold: 0.6 top_k: 3 }}",
}


def quarters(said: str) -> caffe2py.graph.Graph:
    return with_weights(graph_of(QUARTERS.replace(GIVEN, said)), BLOBS)


def written(
    graph: caffe2py.graph.Graph, folder: Path, change: Callable[[ModelProto], None] | None = None, **how: int
) -> Path:
    made = caffe2py.to_onnx(graph, **how)
    if change is not None:
        change(made)
    onnx.save(made, folder / "net.onnx")
    return folder / "net.onnx"


@pytest.mark.parametrize(
    ("case", "how"), [*((case, {}) for case in CASES), ("corners", {"batch": 2}), ("as it is", {"opset": 17})], ids=str
)
def test_detections_come_back(case: str, how: dict[str, int], tmp_path: Path) -> None:
    graph = quarters(CASES[case])
    again = caffe2py.load_onnx(written(graph, tmp_path, **how), target=SSD)
    assert [n.type for n in again.nodes if n.name == "found"] == ["DetectionOutput"]
    x = {"data": np.random.RandomState(1).uniform(0, 255, again.inputs["data"] or ()).astype(np.float32)}
    ours, theirs = (caffe2py.run(g, x)["found"] for g in (again, graph))
    assert len(theirs[0, 0]) > 1 and ours.shape == theirs.shape and np.abs(ours - theirs).max() <= 1e-5


@each("path", found("zoo/mobilenet_ssd_voc.prototxt"), "MobileNet-SSD", ids=lambda path: path.stem)
def test_mobilenet_ssd_comes_back(path: Path, tmp_path: Path) -> None:
    """By the command too: what it wrote is checked against onnxruntime."""
    graph = caffe2py.load(path)
    graph = with_weights(graph, steady_weights(graph))
    model = written(graph, tmp_path)
    done = command("convert", model, "-o", tmp_path / "again.prototxt", "--dialect", "ssd")
    assert (done.status, done.err) == (0, "") and "onnxruntime differs" in done.out
    again = caffe2py.load(tmp_path / "again.prototxt", tmp_path / "again.caffemodel")
    x = {"data": weights(*graph.inputs["data"] or ())}
    ours, theirs = (caffe2py.run(g, x)["detection_out"] for g in (again, graph))
    assert ours.shape == theirs.shape and len(ours[0, 0]) > 10 and np.abs(ours - theirs).max() <= 1e-5


def _other_number(made: ModelProto) -> None:
    """The sizes of boxes are halved by another number."""
    (half,) = (t for t in made.graph.initializer if t.name == "constant")
    half.CopyFrom(numpy_helper.from_array(np.array(0.51, np.float32), half.name))


def _other_operator(made: ModelProto) -> None:
    next(n for n in made.graph.node if n.name.startswith("found/") and n.op_type == "Sub").op_type = "Add"


def _read_inside(made: ModelProto) -> None:
    """A value inside is an output too."""
    inside = next(n.output[0] for n in made.graph.node if n.op_type == "NonMaxSuppression")
    made.graph.output.append(onnx.helper.make_tensor_value_info(inside, onnx.TensorProto.INT64, None))


@pytest.mark.parametrize("change", [_other_number, _other_operator, _read_inside], ids=lambda f: f.__name__)
def test_what_is_like_it_but_another_is_listed(change: Callable[[ModelProto], None], tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="NonMaxSuppression"):
        caffe2py.load_onnx(written(quarters(GIVEN), tmp_path, change), target=SSD)


def test_without_the_dialect_it_is_listed(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="--dialect ssd"):
        caffe2py.load_onnx(written(quarters(GIVEN), tmp_path))
