"""The normalisations of forks behind a convolution: one nn.BatchNorm2d, one operator, or folded into the weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import caffe2py
from caffe2py.errors import CaffeError
from caffe2py.graph import Graph
from tests.helpers.layer_cases import relative
from tests.helpers.layer_runs import FORWARD
from tests.helpers.nets import graph_of
from tests.helpers.runtimes import in_onnxruntime

NET = """name: "normalized"
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 6 dim: 5 } } }
layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param { num_output: 4 kernel_size: 3 CONV } }
layer { name: "b" type: "NORM }
"""
CONV, NORM, RELU = "Conv", "BatchNormalization", "Relu"

# What the convolution has, the layer behind it, and the operators: as they are, and folded.
NORMS = {
    "yjxiong": ("", 'BN" bottom: "c" top: "b" bn_param { frozen: true }', [CONV, NORM], [CONV]),
    "no bias": ("bias_term: false", 'BN" bottom: "c" top: "b" bn_param { eps: 0.01 }', [CONV, NORM], [CONV]),
    "NVIDIA": ("", 'BatchNorm" bottom: "c" top: "b" batch_norm_param { scale_bias: true }', [CONV, NORM], [CONV]),
    "GENet": ("", 'CuDNNBatchNorm" bottom: "c" top: "b"', [CONV, NORM], [CONV]),
    "a ReLU between": (
        "relu: true",
        'BN" bottom: "c" top: "b" bn_param { frozen: true }',
        [CONV, RELU, NORM],
        [CONV, RELU, NORM],
    ),
    "a ReLU behind": (
        "",
        'BatchNorm" bottom: "c" top: "b" batch_norm_param { relu: true }',
        [CONV, NORM, RELU],
        [CONV, NORM, RELU],
    ),
}


def normalized(name: str) -> Graph:
    conv, norm, *_ = NORMS[name]
    graph = graph_of(NET.replace("CONV", conv).replace("NORM", norm), weights=True)
    nodes = (
        replace(n, weights=tuple(replace(w, data=np.abs(w.data) + 0.25) for w in n.weights if w.data is not None))
        for n in graph.nodes
    )
    return replace(graph, nodes=tuple(nodes))


@pytest.mark.parametrize("name", NORMS)
def test_every_view_is_the_layer(name: str, tmp_path: Path) -> None:
    graph = normalized(name)
    x = np.random.RandomState(3).uniform(-1, 1, (2, 3, 6, 5)).astype(np.float32)
    want = caffe2py.run(graph, {"x": x})["b"]
    assert relative(caffe2py.to_torch(graph)(torch.from_numpy(x)).detach().numpy(), want) <= FORWARD
    for fold, kinds in zip((False, True), NORMS[name][2:], strict=True):
        model = caffe2py.to_onnx(graph, fold=fold)
        assert [node.op_type for node in model.graph.node] == kinds
        onnx.save(model, tmp_path / "net.onnx")
        assert relative(in_onnxruntime(tmp_path / "net.onnx", ["b"])({"x": x})["b"], want) <= FORWARD


def test_the_statistics_of_a_batch_in_training_cannot_be_said() -> None:
    with pytest.raises(CaffeError, match=r'"b" \(BatchNorm\): updates its statistics in phase TRAIN'):
        caffe2py.to_onnx(replace(normalized("a ReLU behind"), phase="TRAIN"))
