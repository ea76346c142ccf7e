"""The translated module as PyTorch users treat one: it trains, moves, copies, compiles and exports."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch

import caffe2py
from caffe2py.errors import UnsupportedError
from caffe2py.graph import Graph
from tests.helpers.nets import SMALL, graph_of

SIAMESE = """name: "siamese"
layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 2 dim: 3 dim: 6 dim: 5 } } }
layer { name: "b" type: "Input" top: "b" input_param { shape { dim: 2 dim: 3 dim: 6 dim: 5 } } }
layer { name: "left" type: "Convolution" bottom: "a" top: "x" param { name: "w" } param { name: "c" }
        convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "right" type: "Convolution" bottom: "b" top: "y" param { name: "w" } param { name: "c" }
        convolution_param { num_output: 4 kernel_size: 3 } }
"""


def inputs(batch: int = 2) -> torch.Tensor:
    return torch.from_numpy(np.random.RandomState(5).uniform(-1, 1, (batch, 3, 9, 7)).astype(np.float32))


@pytest.fixture(params=["readable", "flat", "exact"])
def module(request: pytest.FixtureRequest) -> torch.nn.Module:
    return caffe2py.to_torch(graph_of(SMALL, weights=True), style=request.param)


USES: dict[str, Callable[[torch.nn.Module], torch.nn.Module]] = {
    "deepcopy": copy.deepcopy,
    "to a device": lambda m: m.to("cpu"),
    "compile": lambda m: torch.compile(m, backend="aot_eager"),
    "export": lambda m: torch.export.export(m, (inputs(),)).module(),
    "state dict round trip": lambda m: _reloaded(m),
}


def _reloaded(module: torch.nn.Module) -> torch.nn.Module:
    other = caffe2py.to_torch(graph_of(SMALL, weights=True), style="flat" if hasattr(module.fc, "weight") else "exact")
    if set(other.state_dict()) != set(module.state_dict()):
        other = caffe2py.to_torch(graph_of(SMALL, weights=True), style="exact")
    for tensor in other.state_dict().values():
        tensor.zero_()
    other.load_state_dict(module.state_dict())
    return other


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_gives_the_same_after(module: torch.nn.Module, use: Callable[[torch.nn.Module], torch.nn.Module]) -> None:
    for top, want in zip(use(module)(inputs()), module(inputs()), strict=True):
        torch.testing.assert_close(top, want, rtol=1e-6, atol=1e-6)  # a compiler may add in another order


def test_is_in_eval_mode_and_trains(module: torch.nn.Module) -> None:
    assert not module.training
    gate, prob = module(inputs())
    (gate.sum() + prob[:, 0].sum()).backward()
    gradients = {name: p.grad for name, p in module.named_parameters()}
    assert gradients and all(g is not None and g.abs().sum() > 0 for g in gradients.values()), gradients


@pytest.mark.parametrize("style", ["readable", "flat"])
def test_a_net_in_training_keeps_the_stored_statistics_that_it_asks_for(style: str) -> None:
    graph = graph_of(SMALL, weights=True, phase="TRAIN")
    ours, exact = (caffe2py.to_torch(graph, style=s).train()(inputs()) for s in (style, "exact"))
    for top, wanted in zip(ours, exact, strict=True):
        torch.testing.assert_close(top, wanted)


TARGETS = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 5 } } }
layer { name: "t" type: "Python" bottom: "x" top: "t"
        python_param { module: "rpn.proposal_target_layer" layer: "ProposalTargetLayer" } }
layer { name: "y" type: "Interp" bottom: "t" top: "y" interp_param { zoom_factor: 2 } }"""


@pytest.mark.parametrize("make", [caffe2py.to_torch, caffe2py.to_onnx])
def test_a_layer_behind_one_of_unknown_shape_is_not_asked(make: Callable[[Graph], object]) -> None:
    with pytest.raises(
        UnsupportedError, match=r'the shape of what they make:\n  "t" \(Python\): serves training alone'
    ):
        make(graph_of(TARGETS))


def test_takes_any_batch(module: torch.nn.Module) -> None:
    five = module(inputs(5))
    one = module(inputs(5)[:1])
    assert [t.shape[0] for t in five] == [5, 5]
    for all_, first in zip(five, one, strict=True):
        torch.testing.assert_close(all_[:1], first)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_takes_other_numbers(module: torch.nn.Module, dtype: torch.dtype) -> None:
    want = module(inputs())
    tops = module.to(dtype)(inputs().to(dtype))
    assert all(t.dtype == dtype for t in tops)
    for top, w in zip(tops, want, strict=True):
        torch.testing.assert_close(top.float(), w, rtol=0.05, atol=0.05)  # bfloat16 keeps 8 bits


def test_training_does_not_write_to_the_weights_it_came_from() -> None:
    graph = graph_of(SMALL, weights=True)
    before = [w.data.copy() for n in graph.nodes for w in n.weights if w.data is not None]
    module = caffe2py.to_torch(graph)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(1)
    for old, w in zip(before, (w for n in graph.nodes for w in n.weights), strict=True):
        np.testing.assert_array_equal(old, w.data)


def test_one_output_is_a_tensor() -> None:
    text = "\n".join(line for line in SMALL.splitlines() if '"gate"' not in line)
    assert isinstance(caffe2py.to_torch(graph_of(text, weights=True))(inputs()), torch.Tensor)


@pytest.mark.parametrize("style", ["flat", "exact"])
def test_shared_parameters_are_one(style: str) -> None:
    module = caffe2py.to_torch(graph_of(SIAMESE, weights=True), style=style)
    assert module.left.weight is module.right.weight and module.left.bias is module.right.bias
    assert len(list(module.parameters())) == 2
    again = copy.deepcopy(module)
    assert again.left.weight is again.right.weight
    x = torch.ones(2, 3, 6, 5)
    torch.testing.assert_close(*module(x, x))


def test_layers_that_share_all_their_weights_are_one_module_where_people_write() -> None:
    graph = graph_of(SIAMESE, weights=True)
    module = caffe2py.to_torch(graph)
    assert list(module.state_dict()) == ["left.weight", "left.bias"]
    x = torch.ones(2, 3, 6, 5)
    for top, want in zip(module(x, 2 * x), caffe2py.to_torch(graph, style="flat")(x, 2 * x), strict=True):
        torch.testing.assert_close(top, want, rtol=0, atol=0)


def test_flat_has_one_batch_norm_and_exact_two_steps() -> None:
    graph = graph_of(SMALL)
    flat, exact = caffe2py.to_source(graph, style="flat"), caffe2py.to_source(graph, style="exact")
    assert flat.count("nn.BatchNorm2d(") == 1 and "batch_norm(" not in flat
    assert exact.count("batch_norm(") == 2 and "# scale (Scale)" in exact and "nn.BatchNorm2d" not in exact
