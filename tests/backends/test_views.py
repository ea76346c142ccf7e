"""Parameters at the edge of what torch's and ONNX's own operators take: every view makes the same of them."""

from __future__ import annotations

import pytest

from tests.helpers.absent import needs_module
from tools.random_nets.__main__ import BAR
from tools.random_nets.making import RandomNet
from tools.random_nets.views import differences, graph_of

needs_module("onnxruntime", "onnxruntime")

MAP, ROW = (2, 3, 5, 4), (4,)
CASES = {
    "a negative eps": ("MVN", "mvn_param { eps: -1 }", [MAP]),
    "a small negative eps": ("MVN", "mvn_param { eps: -0.01 }", [MAP]),
    "no eps": ("BatchNorm", "batch_norm_param { eps: 0 }", [MAP]),
    "alpha of 0": ("LRN", "lrn_param { alpha: 0 }", [MAP]),
    "alpha below 0, and a k": ("LRN", "lrn_param { alpha: -0.1 k: 2 local_size: 3 }", [MAP]),
    "beta of 0": ("LRN", "lrn_param { beta: 0 }", [MAP]),
    "beta below 0": ("LRN", "lrn_param { alpha: 1 beta: -0.5 local_size: 3 }", [MAP]),
    "min above max": ("Clip", "clip_param { min: 3 max: 1 }", [MAP]),
    "no axis": ("Permute", "", [()]),
    "one axis, hinge": ("HingeLoss", "", [ROW, ROW]),
    "one axis, logarithm": ("MultinomialLogisticLoss", "", [ROW, ROW]),
}


@pytest.mark.parametrize("name", CASES)
def test_one_layer(name: str) -> None:
    type_, params, shapes = CASES[name]
    inputs = {f"x{i}": (shape, "any") for i, shape in enumerate(shapes)}
    bottoms = " ".join(f'bottom: "{blob}"' for blob in inputs)
    text = "".join(
        f'layer {{ name: "{blob}" type: "Input" top: "{blob}" input_param {{ shape {{ {dims(shape)} }} }} }}\n'
        for blob, (shape, _) in inputs.items()
    )
    text += f'layer {{ name: "y" type: "{type_}" {bottoms} top: "y" {params} }}\n'
    net = RandomNet(3, text, inputs, (type_,))
    arrays = net.arrays()
    if len(shapes) == 2:
        arrays["x1"][:] = 0  # labels: there is one class
    found = differences(graph_of(net), arrays)
    assert found.keys() == {"exact", "flat", "readable", "onnx"}
    assert max(found.values()) <= BAR


def test_a_clip_of_samples_that_a_filter_left() -> None:
    text = """
    layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 3 dim: 2 } } }
    layer { name: "s" type: "Input" top: "s" input_param { shape { dim: 3 } } }
    layer { name: "f" type: "Filter" bottom: "x" bottom: "s" top: "f" }
    layer { name: "y" type: "Clip" bottom: "f" top: "y" clip_param { min: 3 max: 1 } }
    """
    net = RandomNet(3, text, {"x": ((3, 2), "any"), "s": ((3,), "any")}, ("Filter", "Clip"))
    arrays = net.arrays()
    arrays["s"][:] = 1, 0, 1
    assert max(differences(graph_of(net), arrays).values()) <= BAR


def dims(shape: tuple[int, ...]) -> str:
    return " ".join(f"dim: {n}" for n in shape)


def test_layers_that_lead_nowhere() -> None:
    text = """
    layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 3 dim: 2 } } }
    layer { name: "a" type: "BNLL" bottom: "x" top: "a" }
    layer { name: "s" type: "Silence" bottom: "a" }
    """
    for more, outputs in (("", 0), ('layer { name: "y" type: "TanH" bottom: "x" top: "y" }', 1)):
        net = RandomNet(3, text + more, {"x": ((3, 2), "any")}, ())
        found = differences(graph_of(net), net.arrays())
        assert "readable" in found and max(found.values()) <= BAR
        assert len(graph_of(net).outputs) == outputs
