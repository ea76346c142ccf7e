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
from tests.helpers.layer_cases import Case, cases, relative
from tests.helpers.nets import command, graph_of, steady, with_weights
from tests.helpers.onnx_models import weights
from tests.helpers.reference import found

SSD = target(dialect="ssd")
ROUNDING = 1e-5  # float32 sums in another order: of the largest value, and of scores and boxes, which are shares of 1
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
    assert len(theirs[0, 0]) > 1 and ours.shape == theirs.shape and np.abs(ours - theirs).max() <= ROUNDING


@each("path", found("zoo/mobilenet_ssd_voc.prototxt"), "MobileNet-SSD", ids=lambda path: path.stem)
def test_mobilenet_ssd_comes_back(path: Path, tmp_path: Path) -> None:
    """By the command too: what it wrote is checked against onnxruntime."""
    graph = steady(caffe2py.load(path))
    model = written(graph, tmp_path)
    done = command("convert", model, "-o", tmp_path / "again.prototxt", "--dialect", "ssd")
    assert (done.status, done.err) == (0, "") and "onnxruntime differs" in done.out
    again = caffe2py.load(tmp_path / "again.prototxt", tmp_path / "again.caffemodel")
    x = {"data": weights(*graph.inputs["data"] or ())}
    ours, theirs = (caffe2py.run(g, x)["detection_out"] for g in (again, graph))
    assert ours.shape == theirs.shape and len(ours[0, 0]) > 10 and np.abs(ours - theirs).max() <= ROUNDING


# What one pooling has taken, another layer puts back, twice over.
SEGNET = """name: "segnet"
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 6 dim: 8 } } }
layer { name: "p" type: "Pooling" bottom: "x" top: "p" top: "mask" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "half" type: "Power" bottom: "p" top: "half" power_param { scale: 0.5 } }
layer { name: "u" type: "Upsample" bottom: "p" bottom: "mask" top: "u" upsample_param { scale: 2 } }
layer { name: "v" type: "Upsample" bottom: "half" bottom: "mask" top: "v" upsample_param { scale: 2 } }
"""


def test_upsamples_come_back(tmp_path: Path) -> None:
    graph = graph_of(SEGNET)
    again = caffe2py.load_onnx(written(graph, tmp_path, batch=2), target=target(dialect="segnet"))
    assert [n.type for n in again.nodes].count("Upsample") == 2
    ours, theirs = (caffe2py.run(g, {"x": weights(2, 3, 6, 8)}) for g in (again, graph))
    assert ours.keys() == theirs.keys() and all(np.array_equal(ours[k], theirs[k]) for k in theirs)


FORKS = cases("forks/*")


@each("case", FORKS[::3], "recorded layers of forks", ids=lambda case: case.id)
def test_layers_of_forks_come_back(case: Case, tmp_path: Path) -> None:
    """The outputs are still those that the fork recorded."""
    graph = case.graph()
    path = written(graph, tmp_path)
    own = graph.dialects[0]
    named = {k: v for k, v in case.inputs.items() if k in {i.name for i in onnx.load(path).graph.input}}
    caffe = target(dialect=None if own == "bvlc" else own)
    again = caffe2py.load_onnx(path, inputs={k: v.shape for k, v in named.items()}, target=caffe)
    ours = caffe2py.run(again, named)
    errors = {k: relative(ours[k], case.tops[k]) for k in graph.outputs}
    assert max(errors.values()) <= ROUNDING, errors


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
        caffe2py.load_onnx(written(quarters(GIVEN), tmp_path, change), dialect="ssd")


def test_without_the_dialect_it_is_listed(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="--dialect ssd"):
        caffe2py.load_onnx(written(quarters(GIVEN), tmp_path))
