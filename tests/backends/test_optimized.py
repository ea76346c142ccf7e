"""`caffe2py.optimized`: one signature, whichever library runs the net."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest
import torch

import caffe2py
from caffe2py.backends import optimized as module
from caffe2py.errors import CaffeError, NetError
from tests.helpers.absent import needs, needs_module
from tests.helpers.nets import SMALL, graph_of

INPUT = np.random.RandomState(3).uniform(-1, 1, (2, 3, 9, 7)).astype(np.float32)
HEAD = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 9 dim: 7 } } }'
TWO = f"""{HEAD}
layer {{ name: "more" type: "Input" top: "more" input_param {{ shape {{ dim: 2 dim: 3 dim: 9 dim: 7 }} }} }}
layer {{ name: "sum" type: "Eltwise" bottom: "data" bottom: "more" top: "sum" }}"""
FREE = 1e-5  # of the largest value: float32, sums in another order, BatchNorm folded


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
@pytest.mark.parametrize("text", [SMALL, TWO], ids=["two outputs", "two inputs"])
def test_every_backend_gives_what_run_gives(text: str, backend: str) -> None:
    if backend == "onnxruntime":
        needs_module("onnxruntime", "onnxruntime")
    graph = graph_of(text, weights=True)
    wanted = caffe2py.run(graph, dict.fromkeys(graph.inputs, INPUT))
    net = caffe2py.optimized(graph, backend=backend)
    made = net(*[INPUT for _ in graph.inputs])
    assert (net.backend, net.device) == (backend, "cpu")
    for top, want in zip(made if isinstance(made, tuple) else (made,), wanted.values(), strict=True):
        assert top.dtype == np.float32 and top.shape == want.shape
        np.testing.assert_allclose(top, want, rtol=0, atol=FREE * np.abs(want).max())


def test_auto_takes_onnxruntime_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = graph_of(SMALL, weights=True)
    there = importlib.util.find_spec("onnxruntime") is not None
    assert caffe2py.optimized(graph).backend == ("onnxruntime" if there else "torch")
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert caffe2py.optimized(graph).backend == "torch"
    with pytest.raises(CaffeError, match=r"needs onnxruntime: pip install 'caffe2py\[verify\]'"):
        caffe2py.optimized(graph, backend="onnxruntime")


def test_auto_takes_torch_for_what_onnx_cannot_say() -> None:
    graph = graph_of(SMALL.replace("use_global_stats: true", ""), weights=True, phase="TRAIN")
    net = caffe2py.optimized(graph)
    assert net.backend == "torch" and net(INPUT)[1].shape == (2, 4)
    needs_module("onnxruntime", "onnxruntime")
    with pytest.raises(CaffeError, match="cannot be said in ONNX"):
        caffe2py.optimized(graph, backend="onnxruntime")


BAD = {
    "backend": ({"backend": "tensorrt"}, (INPUT,), 'no backend "tensorrt"; want auto, torch or onnxruntime'),
    "device": ({"backend": "torch", "device": "toaster"}, (INPUT,), 'no device "toaster"'),
    "too many": ({}, (INPUT, INPUT), 'net "small net" takes 1 inputs; 2 were given'),
    "too few": ({}, (), 'needs input "data"'),
    "rank": ({}, (INPUT[0],), r'input "data" has shape \(3, 9, 7\)'),
}


@pytest.mark.parametrize(("settings", "inputs", "message"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_told(settings: dict[str, str], inputs: tuple[np.ndarray, ...], message: str) -> None:
    with pytest.raises(CaffeError, match=message):
        caffe2py.optimized(graph_of(SMALL, weights=True), **settings)(*inputs)


def test_sizes_that_a_model_is_not_for_are_told() -> None:
    needs_module("onnxruntime", "onnxruntime")
    with pytest.raises(NetError, match='onnxruntime cannot run net "small net" on these inputs'):
        caffe2py.optimized(graph_of(SMALL, weights=True), backend="onnxruntime")(INPUT[:, :2])


@needs(not torch.cuda.is_available(), "a machine without CUDA")
def test_a_device_that_is_not_there_is_told() -> None:
    with pytest.raises(CaffeError, match='no device "cuda"'):
        caffe2py.optimized(graph_of(SMALL, weights=True), device="cuda")
