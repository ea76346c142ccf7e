"""Whole nets as ONNX files: onnxruntime against what Caffe recorded, OpenCV 5 and OpenVINO against onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest

import caffe2py
from caffe2py.backends.onnx.check import relative_difference
from caffe2py.backends.onnx.model import onnx_program
from caffe2py.graph import Graph
from tests.helpers.recorded_nets import RecordedNet, recorded_nets
from tests.helpers.runtimes import Run, Runtime, in_onnxruntime, in_opencv, in_openvino

# Over a hundred layers in float32, added in other orders; one wrong layer shows at 1e-2 and more.
BAR = 1e-5
SMALL = [*recorded_nets("tiny"), *recorded_nets("mtcnn")]
# One net of each make at full size; the others are the same blocks again, and take long.
CHOSEN = {
    "zoo": "bvlc_googlenet cifar10_full shufflenet_v2_x1_0_miaow squeezenet_v1_1 v0_cifar10_full_2014 "
    "v0_lenet_deploy_2014 xception",
    "senet": "SE-BN-Inception SE-ResNet-50",
}
LARGE = [net for folder, names in CHOSEN.items() for net in recorded_nets(folder) if net.id in names.split()]


@dataclass(frozen=True)
class Exported:
    """A net, its graph, and its `.onnx` file."""

    net: RecordedNet
    graph: Graph
    path: Path

    def load(self, runtime: Runtime) -> Run:
        return runtime(self.path, self.graph.outputs)


@pytest.fixture(scope="module", params=[*SMALL, *LARGE], ids=lambda net: net.id)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exported]:
    """One net after another; the files of a large one are gone before the next is made."""
    net: RecordedNet = request.param
    folder = tmp_path_factory.mktemp(net.id)
    graph = caffe2py.load(net.prototxt, net.caffemodel(folder))
    path = folder / "net.onnx"
    caffe2py.convert(graph, path)
    yield Exported(net, graph, path)
    for file in folder.iterdir():
        file.unlink()


def test_agrees_with_caffe(exported: Exported) -> None:
    graph = exported.graph
    values = exported.load(in_onnxruntime)(exported.net.inputs())
    errors = exported.net.errors(graph, dict(zip(graph.results, values.values(), strict=True)))
    assert len(errors) == len(graph.outputs) and max(errors.values()) <= BAR, errors


def test_every_value_agrees_with_caffe(exported: Exported, tmp_path: Path) -> None:
    """With every value that the file names as an output, each is what Caffe had right after its layer."""
    model = onnx.load(exported.path)
    outputs = {o.name for o in model.graph.output}
    model.graph.output.extend(i for i in model.graph.value_info if i.name not in outputs)
    path = tmp_path / "all.onnx"
    onnx.save(model, path)
    made = in_onnxruntime(path, [o.name for o in model.graph.output])(exported.net.inputs())
    names = onnx_program(exported.graph).values
    errors = exported.net.errors(exported.graph, {v: made[name] for v, name in names.items() if name in made})
    path.unlink()
    assert len(errors) >= len(exported.graph.nodes) // 2  # the values between a BatchNorm and its Scale are gone
    assert max(errors.values()) <= BAR, {n: e for n, e in errors.items() if e > BAR}


@pytest.mark.parametrize("runtime", [in_opencv, in_openvino])
def test_loads_everywhere(exported: Exported, runtime: Runtime) -> None:
    """The same numbers elsewhere, for one picture and for two that differ."""
    reference, run = exported.load(in_onnxruntime), exported.load(runtime)
    for batch in (1, 2):
        inputs = {name: np.concatenate([x[:1], x[:1] / 2])[:batch] for name, x in exported.net.inputs().items()}
        made = run(inputs)
        errors = {name: relative_difference(made[name], top) for name, top in reference(inputs).items()}
        assert max(errors.values()) <= BAR, (batch, errors)
