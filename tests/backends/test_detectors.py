"""Whole detectors: every row that Caffe found, in torch and in onnxruntime, some with their trained weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import caffe2py
from caffe2py.graph import Graph
from tests.helpers.detector import STAGES
from tests.helpers.layer_cases import relative
from tests.helpers.nets import graph_of
from tests.helpers.published import FACES, WECHAT_DETECT, Published
from tests.helpers.recorded_nets import RecordedNet, recorded_nets
from tests.helpers.reference import reference
from tests.helpers.runtimes import in_onnxruntime, in_opencv

ROUNDING = 3e-6  # of the largest value of a layer, as in test_zoo.py
ROWS = 1e-5  # of the largest number in the rows: what the layers before it add up to
every_one = pytest.mark.parametrize("detector", (FACES, WECHAT_DETECT), ids=lambda detector: detector.id)


def rows(detector: Published) -> np.ndarray:
    """What Caffe found."""
    with np.load(reference("real/detections.npz")) as held:
        return np.array(held[detector.id])


def found(graph: Graph) -> str:
    """The output that says what was found."""
    return next(b for b, v in zip(graph.outputs, graph.results, strict=True) if graph.makers[v].layer.finds)


@every_one
def test_trained_weights_layer_by_layer(detector: Published) -> None:
    net, graph = detector.loaded()
    layers = caffe2py.run(graph, net.inputs(), record="layers")
    values = {v: top for node in graph.nodes for v, top in zip(node.tops, layers[node.name], strict=True)}
    errors = net.errors(graph, values)
    assert len(errors) >= len(graph.nodes) - 1 and max(errors.values()) <= ROUNDING, errors
    assert relative(values[graph.results[graph.outputs.index(found(graph))]], rows(detector)) <= ROWS


@every_one
def test_trained_weights_whole_in_onnxruntime(detector: Published, tmp_path: Path) -> None:
    net, graph = detector.loaded()
    caffe2py.convert(graph, tmp_path / "net.onnx")
    made = in_onnxruntime(tmp_path / "net.onnx", graph.outputs)(net.inputs())
    assert relative(made[found(graph)], rows(detector)) <= ROWS


def test_a_face(tmp_path: Path) -> None:
    net, graph = FACES.loaded()
    label, score, *box = caffe2py.run(graph, net.inputs())[found(graph)][0, 0, 0, 1:]
    assert label == 1 and score > 0.9999 and box == pytest.approx([0.3507, 0.1143, 0.5306, 0.3451], abs=1e-4)


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory: pytest.TempPathFactory) -> tuple[RecordedNet, Graph]:
    for net in recorded_nets("zoo"):
        if net.id == "mobilenet_ssd_voc":
            return net, caffe2py.load(net.prototxt, net.caffemodel(tmp_path_factory.mktemp("mobilenet")))
    reference("zoo/mobilenet_ssd_voc.prototxt")
    raise AssertionError


def test_mobilenet_ssd_whole_in_onnxruntime(mobilenet: tuple[RecordedNet, Graph], tmp_path: Path) -> None:
    net, graph = mobilenet
    caffe2py.convert(graph, tmp_path / "net.onnx")
    made = in_onnxruntime(tmp_path / "net.onnx", graph.outputs)(net.inputs())
    errors = net.errors(graph, dict(zip(graph.results, made.values(), strict=True)))
    assert max(errors.values()) <= ROWS, errors


def test_opencv_reads_the_backbone_of_mobilenet_ssd(mobilenet: tuple[RecordedNet, Graph], tmp_path: Path) -> None:
    from caffe2py.passes import only_outputs

    net, graph = mobilenet
    heads = only_outputs(graph, graph.node("detection_out").bottoms[:2])
    caffe2py.convert(heads, tmp_path / "net.onnx", batch=1)
    made = in_opencv(tmp_path / "net.onnx", heads.outputs)(net.inputs())
    errors = net.errors(heads, dict(zip(heads.results, made.values(), strict=True)))
    assert len(errors) == 2 and max(errors.values()) <= ROWS, errors


@pytest.mark.parametrize("name", STAGES)
def test_two_stages_whole_in_onnxruntime(name: str, tmp_path: Path) -> None:
    """Regions are as many as are found, and what comes behind them takes any number."""
    graph = graph_of(STAGES[name], weights=True)
    caffe2py.convert(graph, tmp_path / "net.onnx")
    run = in_onnxruntime(tmp_path / "net.onnx", graph.outputs)
    numbers = set()
    for seed, size in enumerate([(48.0, 64.0), (40.0, 30.0), (12.0, 12.0)]):
        random = np.random.RandomState(seed)
        data = random.uniform(-1, 1, (1, 3, 48, 64)).astype(np.float32)
        inputs = {"data": data, "im_info": np.array([[*size, 1.0]], np.float32)}
        made, wanted = run(inputs), caffe2py.run(graph, inputs, style="flat")
        assert max(relative(made[blob], top) for blob, top in wanted.items()) <= ROWS
        numbers.add(len(made[graph.outputs[0]]))
    assert len(numbers) > 1
