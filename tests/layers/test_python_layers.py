"""Python layers that published nets name: known by module and class, and never imported."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

import caffe2py
from caffe2py.backends.torch.functions.detection.grids import similar
from caffe2py.errors import CaffeError
from tests.helpers.nets import graph_of
from tests.helpers.runtimes import in_onnxruntime

CLUSTER = """layer {{ name: "in" type: "Input" top: "cover" top: "said"
  input_param {{ shape {{ dim: 2 dim: 1 dim: 4 dim: 5 }} shape {{ dim: 2 dim: 4 dim: 4 dim: 5 }} }} }}
layer {{ name: "out" type: "Python" bottom: "cover" bottom: "said" top: "boxes" python_param {{
  module: "caffe.layers.detectnet.clustering" layer: "ClusterDetections" param_str: "{}" }} }}"""


def test_cells_that_agree_make_a_box() -> None:
    """Four cells say one box of 20 to 60 by 10 to 50, up to a pixel; another says a box of its own."""
    graph = graph_of(CLUSTER.format("80, 64, 16, 0.6, 2, 0.1, 22, 1"))
    cover, said = np.zeros((2, 1, 4, 5)), np.zeros((2, 4, 4, 5))
    for k, (y, x) in enumerate([(1, 1), (1, 2), (2, 1), (2, 2), (3, 4)]):
        cover[0, 0, y, x] = 0.9
        box = np.array([20, 10, 60, 50]) + (k % 2) if k < 4 else np.array([1, 1, 9, 63])
        said[0, :, y, x] = box - np.array([x, y, x, y]) * 16
    top = caffe2py.run(graph, {"cover": cover, "said": said})["boxes"]
    assert top.shape == (2, 50, 5) and not top[1].any() and not top[0, 1:].any()
    assert list(top[0, 0]) == [20, 10, 60, 50, np.float32(np.float16(np.log(4)))]


GRID = """layer {{ name: "in" type: "Input" top: "cover" top: "said"
  input_param {{ shape {{ dim: 3 dim: 2 dim: 6 dim: 7 }} shape {{ dim: 3 dim: 4 dim: 6 dim: 7 }} }} }}
layer {{ name: "out" type: "Python" bottom: "cover" bottom: "said" top: "a" top: "b" python_param {{
  module: "caffe.layers.detectnet.clustering" layer: "ClusterDetections"
  param_str: "112, 96, 16, 0.6, {}, {}, {}, 2" }} }}"""


@pytest.mark.parametrize("group, eps, smallest", [(1, 0.02, 0), (1, 0.2, 12), (2, 0.3, 30), (3, 0.5, 0)])
def test_onnxruntime_makes_the_same_boxes(group: int, eps: float, smallest: int, tmp_path: Path) -> None:
    """Of things in three places, which every cell says with small errors; of one image no cell covers anything."""
    graph = graph_of(GRID.format(group, eps, smallest))
    random = np.random.RandomState(group)
    things = np.hstack([random.uniform(0, 60, (3, 2)), random.uniform(70, 110, (3, 2))])
    cells = np.stack(np.meshgrid(np.arange(7), np.arange(6)) * 2) * 16
    said = things[random.randint(3, size=(3, 6, 7))].transpose(0, 3, 1, 2) - cells
    said += random.choice([0, 0, 0.5, 1, 4], said.shape)
    cover = random.uniform(0, 1, (3, 2, 6, 7))
    cover[1] = 0
    cover[2, :, 2:], said[2, :, :2] = 0, -cells[:, :2]  # and of one its boxes are nothing
    fed = {"cover": cover.astype(np.float32), "said": said.astype(np.float32)}
    onnx.save(caffe2py.to_onnx(graph), tmp_path / "net.onnx")
    made, tops = in_onnxruntime(tmp_path / "net.onnx", graph.outputs)(fed), caffe2py.run(graph, fed)
    assert 1 <= (tops["a"][0, :, 4] > 0).sum() < 40 and not tops["a"][1:].any()
    for blob, top in tops.items():
        np.testing.assert_array_equal(made[blob], top)


# Boxes (x, y, width, height), how many must agree, and which means remain.
GROUPS = {
    "two kinds": (
        [[0, 0, 40, 40], [1, 1, 40, 40], [90, 0, 40, 40], [91, 0, 40, 41]],
        1,
        [[0, 0, 40, 40], [90, 0, 40, 40]],
    ),
    "a half of fourteen": ([[0, 0, 94, 40]] * 7 + [[0, 0, 95, 40]] * 7, 1, [[0, 0, 95, 40]]),
    "a half of two": ([[0, 0, 94, 40], [0, 0, 95, 40]], 1, [[0, 0, 94, 40]]),
    "a chain": ([[0, 0, 40, 40], [7, 0, 40, 40], [14, 0, 40, 40]], 2, [[7, 0, 40, 40]]),
    "too few": ([[0, 0, 40, 40], [90, 0, 40, 40]], 1, []),
    "inside one of more": ([[0, 0, 90, 90]] * 4 + [[30, 30, 30, 30]] * 2, 1, [[0, 0, 90, 90]]),
    "inside one of as many": ([[0, 0, 90, 90]] * 3 + [[30, 30, 30, 30]] * 3, 1, [[0, 0, 90, 90], [30, 30, 30, 30]]),
}


@pytest.mark.parametrize("boxes, group, kept", GROUPS.values(), ids=GROUPS)
def test_boxes_that_are_alike(boxes: list[list[int]], group: int, kept: list[list[int]]) -> None:
    assert [box for box, _ in similar(boxes, group, 0.2)] == kept


def test_readers_are_inputs() -> None:
    text = """layer { name: "data" type: "Python" top: "data" top: "label"
      python_param { module: "voc_layers" layer: "VOCSegDataLayer" param_str: "{'seed': 1337}" } }
    layer { name: "relu" type: "ReLU" bottom: "data" top: "y" }"""
    graph = graph_of(text)
    assert graph.inputs == {"data": None, "label": None}
    assert "voc_layers" not in sys.modules


WRONG = {
    '"80, 64, 16"': "want seven or eight numbers with commas between",
    '"80, 64, 16, 0.6, 2, 0.02, 22, 3"': r"want \(N, 3, H, W\) and \(N, 4, H, W\)",
}


@pytest.mark.parametrize("said", WRONG)
def test_what_does_not_fit(said: str) -> None:
    with pytest.raises(CaffeError, match=WRONG[said]):
        graph_of(CLUSTER.format(said.strip('"')))


def test_a_proposal_layer_without_a_stride() -> None:
    text = """layer { name: "in" type: "Input" top: "a" top: "b" top: "c" input_param { shape { dim: 1 } } }
    layer { name: "p" type: "Python" bottom: "a" bottom: "b" bottom: "c" top: "rois"
      python_param { module: "rpn.proposal_layer" layer: "ProposalLayer" param_str: "{}" } }"""
    with pytest.raises(CaffeError, match="says no feat_stride in its param_str"):
        graph_of(text)
