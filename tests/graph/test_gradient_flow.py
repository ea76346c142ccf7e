"""Where a prototxt says that the gradient flows: propagate_down, loss_weight, force_backward."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import caffe2py
from caffe2py.errors import NetError
from caffe2py.graph.gradient_flow import overwrites
from tests.helpers.nets import command, graph_of

NET = """FORCE
layer { name: "x" type: "Input" top: "x" top: "t" input_param { shape { dim: 4 dim: 3 } } }
layer { name: "below" type: "InnerProduct" bottom: "x" top: "below" inner_product_param { num_output: 2 } }
layer { name: "sum" type: "Eltwise" bottom: "below" bottom: "below" top: "sum" PROPAGATE }
layer { name: "above" type: "InnerProduct" bottom: "sum" top: "above" inner_product_param { num_output: 3 } }
layer { name: "loss" type: "EuclideanLoss" bottom: "above" bottom: "t" top: "loss" WEIGHT }
"""


def net(propagate: str = "", weight: str = "", force: str = "") -> str:
    return NET.replace("PROPAGATE", propagate).replace("WEIGHT", weight).replace("FORCE", force)


def gradients(text: str, style: str) -> dict[str, torch.Tensor | None]:
    module = caffe2py.to_torch(graph_of(text, weights=True, phase="TRAIN"), style)
    torch.manual_seed(1)
    loss = module(torch.randn(4, 3), torch.randn(4, 3))
    loss.backward()
    return {name.split(".")[0].split("_")[0]: p.grad for name, p in module.named_parameters() if "weight" in name}


@pytest.mark.parametrize("style", ["exact", "flat"])
def test_propagate_down(style: str) -> None:
    whole = gradients(net(), style)["below"]
    half = gradients(net("propagate_down: true propagate_down: false"), style)["below"]
    none = gradients(net("propagate_down: false propagate_down: false"), style)
    assert whole is not None and half is not None
    torch.testing.assert_close(half * 2, whole)
    assert none["below"] is None and none["above"] is not None


@pytest.mark.parametrize("style", ["exact", "flat"])
def test_force_backward_changes_no_value(style: str) -> None:
    """It asks Caffe for the gradients of inputs; autograd gives those to whoever asks."""
    a, b = gradients(net(), style), gradients(net(force="force_backward: true"), style)
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=0, atol=0)


LOSS_WEIGHTS = {
    "a loss weighs 1": ("loss", "", (1.0,)),
    "unless it is told": ("loss", "loss_weight: 0.25", (0.25,)),
    "others weigh nothing": ("sum", "", ()),
    "unless they are told": ("sum", "loss_weight: 3", (3.0,)),
}


@pytest.mark.parametrize(("layer", "said", "weights"), LOSS_WEIGHTS.values(), ids=LOSS_WEIGHTS)
def test_loss_weight(layer: str, said: str, weights: tuple[float, ...]) -> None:
    text = net(weight=said) if layer == "loss" else net(propagate=said)
    assert graph_of(text, phase="TRAIN").node(layer).loss_weights == weights


REFUSED = {
    "weights for tops that are not there": (
        net(weight="loss_weight: 1 loss_weight: 2"),
        "has 2 loss_weight for 1 tops",
    ),
    "flow for bottoms that are not there": (net("propagate_down: true"), "1 propagate_down for 2 bottoms"),
}


@pytest.mark.parametrize(("text", "fact"), REFUSED.values(), ids=REFUSED)
def test_refused(text: str, fact: str) -> None:
    with pytest.raises(NetError, match=fact):
        graph_of(text)


# Blobs that are overwritten before their gradient is taken ----------------------------------------------------------

CHAIN = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 4 dim: 4 } } }
layer { name: "a" bottom: "x" top: "y" FIRST }
layer { name: "b" bottom: "y" top: "y" SECOND }"""
TYPES = {
    "TanH": 'type: "TanH"',
    "Sigmoid": 'type: "Sigmoid"',
    "ReLU": 'type: "ReLU"',
    "leaky": 'type: "ReLU" relu_param { negative_slope: 0.1 }',
    "BNLL": 'type: "BNLL"',
    "Clip": 'type: "Clip" clip_param { min: -1 max: 1 }',
    "BatchNorm": 'type: "BatchNorm"',
    "Scale": 'type: "Scale"',
    "Dropout": 'type: "Dropout"',
    "pool": 'type: "Pooling" pooling_param { kernel_size: 2 }',
    "square": 'type: "Power" power_param { power: 2 }',
    "twice": 'type: "Power" power_param { scale: 2 }',
}
OVERWRITTEN = {
    "TanH before BatchNorm": ("TanH", "BatchNorm", "TEST", ["a"]),
    "Sigmoid before ReLU, which leaves it alone": ("Sigmoid", "ReLU", "TEST", []),
    "ReLU in place keeps the sign": ("pool", "ReLU", "TEST", []),
    "a leaky one, too": ("pool", "leaky", "TEST", []),
    "BNLL in place": ("pool", "BNLL", "TEST", ["b"]),
    "Clip in place": ("pool", "Clip", "TEST", ["b"]),
    "BatchNorm and Scale keep what they read": ("BatchNorm", "Scale", "TEST", []),
    "Dropout does nothing in TEST": ("TanH", "Dropout", "TEST", []),
    "Dropout scales in TRAIN": ("TanH", "Dropout", "TRAIN", ["a"]),
    "a square in place": ("pool", "square", "TEST", ["b"]),
    "a product with a number reads nothing": ("pool", "twice", "TEST", []),
}


@pytest.mark.parametrize(("first", "second", "phase", "layers"), OVERWRITTEN.values(), ids=OVERWRITTEN)
def test_overwritten_before_its_gradient(first: str, second: str, phase: str, layers: list[str]) -> None:
    text = CHAIN.replace("FIRST", TYPES[first]).replace("SECOND", TYPES[second])
    found = overwrites(graph_of(text, phase=phase))
    assert [each.reader.name for each in found] == layers
    assert all('reads blob "y", which' in str(each) for each in found)


def test_show_names_them(tmp_path: Path) -> None:
    file = tmp_path / "net.prototxt"
    file.write_text(CHAIN.replace("FIRST", TYPES["TanH"]).replace("SECOND", TYPES["BatchNorm"]))
    told = json.loads(command("show", str(file), "--json").out)["notes"]
    assert told == [
        'layer "a" (TanH) reads blob "y", which "b" (BatchNorm) overwrites in place: '
        "its gradient is not its own function's in Caffe"
    ]
