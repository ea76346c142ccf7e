"""Layers that share a blob by `param { name }`, in one shape or, with share_mode PERMISSIVE, in several."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import caffe2py
from caffe2py.errors import NetError
from caffe2py.proto.schema import NetParameter
from caffe2py.proto.weights.caffemodel import write_caffemodel
from tests.helpers.nets import graph_of
from tests.helpers.runtimes import in_onnxruntime

IN = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 6 dim: 1 dim: 1 } } }\n'
PERMISSIVE = "share_mode: PERMISSIVE"


def layer(name: str, bottom: str, outputs: int, mode: str = "", more: str = "", convolution: bool = False) -> str:
    """A layer without bias whose weights are called w."""
    kind, word = ("Convolution", "convolution") if convolution else ("InnerProduct", "inner_product")
    settings = f"{word}_param {{ num_output: {outputs} bias_term: false {more} }}"
    blobs = f'bottom: "{bottom}" top: "{name}" param {{ name: "w" {mode} }}'
    return f'layer {{ name: "{name}" type: "{kind}" {blobs} {settings} }}\n'


NETS = {
    "one shape": layer("a", "x", 6) + layer("b", "a", 6),
    "module, then module": layer("a", "x", 4) + layer("b", "a", 6, PERMISSIVE),
    "convolution, then product": layer("a", "x", 6, more="kernel_size: 1", convolution=True)
    + layer("b", "a", 6, PERMISSIVE),
    "module, then parameter": layer("a", "x", 4) + layer("b", "x", 4, PERMISSIVE, "transpose: true"),
    "parameter, then module": layer("a", "x", 4, more="transpose: true") + layer("b", "x", 4, PERMISSIVE),
}
X = np.random.RandomState(1).randn(2, 6, 1, 1).astype(np.float32)


def by_hand(name: str, x: torch.Tensor, w: torch.Tensor) -> list[torch.Tensor]:
    """The outputs of a net, from the one blob of weights as it is kept in its owner."""
    rows = x.flatten(1)
    if name == "one shape":
        return [rows @ w.T @ w.T]
    if name == "module, then module":
        return [rows @ w.T @ w.view(6, 4).T]
    if name == "convolution, then product":
        return [rows @ w.view(6, 6).T @ w.view(6, 6).T]
    if name == "module, then parameter":
        return [rows @ w.T, rows @ w.view(6, 4)]
    return [rows @ w, rows @ w.view(4, 6).T]


@pytest.fixture(params=NETS)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path, Path]:
    """Its name, prototxt and caffemodel: what Caffe saves, each layer with the blob in its own shape."""
    prototxt, caffemodel = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    prototxt.write_text(IN + NETS[request.param])
    graph = caffe2py.load(prototxt)
    values = np.random.RandomState(2).randn(graph.node("a").weights[0].count).astype(np.float32)
    blobs = {n.name: [values.reshape(n.weights[0].shape)] for n in graph.nodes if n.weights}
    assert graph.net is not None
    message = NetParameter(name="shared")
    message.layer.extend(layer.message for layer in graph.net.layers)
    write_caffemodel(caffemodel, message, blobs)
    return request.param, prototxt, caffemodel


@pytest.mark.parametrize("style", ["exact", "flat"])
def test_values_and_the_one_gradient(case: tuple[str, Path, Path], style: str) -> None:
    name, prototxt, caffemodel = case
    graph = caffe2py.load(prototxt, caffemodel)
    module = caffe2py.to_torch(graph, style)
    (parameter,) = module.parameters()
    blob = graph.node("a").weights[0].data
    assert blob is not None
    w = torch.tensor(np.array(blob), requires_grad=True)
    want = by_hand(name, torch.from_numpy(X), w)
    tops = module(torch.from_numpy(X))
    tops = list(tops) if isinstance(tops, tuple) else [tops]
    for ours, theirs in zip(tops, want, strict=True):
        torch.testing.assert_close(ours.reshape(theirs.shape), theirs)
    sum(t.sum() for t in tops).backward()
    sum(t.sum() for t in want).backward()
    assert parameter.grad is not None and w.grad is not None
    torch.testing.assert_close(parameter.grad, w.grad.reshape(parameter.shape))


@pytest.mark.parametrize("suffix", [".pt", ".py", ".pt2", ".onnx"])
def test_every_file(case: tuple[str, Path, Path], suffix: str, tmp_path: Path) -> None:
    _, prototxt, caffemodel = case
    graph = caffe2py.load(prototxt, caffemodel)
    want = caffe2py.run(graph, {"x": X})
    out = tmp_path / f"out{suffix}"
    caffe2py.convert(graph, out)
    if suffix == ".onnx":
        values = in_onnxruntime(out, list(graph.outputs))({"x": X})
        tops = [values[name] for name in graph.outputs]
    else:
        made = opened(out)(torch.from_numpy(X))
        tops = [t.detach().numpy() for t in (made if isinstance(made, tuple) else (made,))]
    for name, top in zip(graph.outputs, tops, strict=True):
        np.testing.assert_allclose(top, want[name], rtol=1e-5, atol=1e-5)  # six products in float32, twice


def opened(path: Path) -> torch.nn.Module:
    if path.suffix == ".pt":
        return caffe2py.load_torch(path)
    if path.suffix == ".pt2":
        return torch.export.load(path).module()
    scope: dict[str, object] = {"__name__": "out", "__file__": str(path)}
    exec(compile(path.read_text(), str(path), "exec"), scope)
    module = scope["load"]()  # type: ignore[operator]
    assert isinstance(module, torch.nn.Module)
    return module


def test_another_shape_without_permission_is_refused() -> None:
    with pytest.raises(
        NetError, match=r'"b" \(InnerProduct\): shares "w" of shape \(6, 4\).*\(4, 6\); want the same shape'
    ):
        graph_of(IN + NETS["module, then module"].replace(PERMISSIVE, ""))


@pytest.mark.parametrize("stored", [{"a": 1, "b": 2}, {"b": 1, "a": 2}, {"a": 2}, {"b": 2}], ids=str)
def test_the_last_that_is_stored_counts(stored: dict[str, int], tmp_path: Path) -> None:
    """Caffe copies what is stored for each layer, in the file's order, into the one memory."""
    prototxt, caffemodel = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    prototxt.write_text(IN + NETS["one shape"])
    message = NetParameter(name="shared")
    for name in stored:
        message.layer.add(name=name, type="InnerProduct")
    write_caffemodel(caffemodel, message, {name: [np.full((6, 6), n, np.float32)] for name, n in stored.items()})
    graph = caffe2py.load(prototxt, caffemodel)
    for node in graph.nodes[1:]:
        np.testing.assert_array_equal(node.weights[0].data, np.full((6, 6), 2))
