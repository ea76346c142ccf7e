"""Building the graph: versions, shapes, outputs, and every net that Caffe refuses."""

from __future__ import annotations

import pytest

import caffe2py
from caffe2py.errors import CaffeError, NetError
from caffe2py.graph import Value
from tests.helpers.nets import SMALL, graph_of

IN = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 7 dim: 5 } } }\n'


def relu(name: str, bottom: str, top: str) -> str:
    return f'layer {{ name: "{name}" type: "ReLU" bottom: "{bottom}" top: "{top}" }}\n'


def convolution(tops: str, settings: str) -> str:
    return f'layer {{ name: "c" type: "Convolution" bottom: "data" {tops} convolution_param {{ {settings} }} }}\n'


def test_versions_count_what_works_in_place() -> None:
    graph = graph_of(SMALL)
    assert [str(v) for n in graph.nodes for v in n.tops][:6] == ["data", "conv", "conv#2", "conv#3", "conv#4", "pool"]
    assert graph.node("pool").bottoms == (Value("conv", 4),)
    assert graph.readers[Value("conv", 4)] == (graph.node("pool"),)


def test_outputs_are_the_unread_blobs_in_order_of_their_bytes() -> None:
    graph = graph_of(IN + relu("r1", "data", "Zebra") + relu("r2", "data", "apple") + relu("r3", "data", "é"))
    assert graph.outputs == ("Zebra", "apple", "é")
    assert graph.results == (Value("Zebra"), Value("apple"), Value("é"))


def test_totals_and_table() -> None:
    lines = [line.split() for line in str(graph_of(SMALL)).splitlines()]
    assert lines[2] == "conv/1 Convolution 5 3x3 data conv (2, 5, 7, 5) 140 9,450".split()  # 140 = 5*3*9 + 5
    # 140 of the convolution, 11 of BatchNorm, 10 of Scale, 5*4 + 4 of the inner product
    assert lines[-1][:4] == "9 layers, 185 parameters,".split()


REFUSED = {
    "no maker": (IN + relu("r", "dta", "y"), 'bottom 0 "dta" is made by no layer before it; did you mean "data"?'),
    "reads what comes later": (relu("r", "data", "y") + IN, 'bottom 0 "data" is made by no layer before it'),
    "made twice": (IN + relu("a", "data", "y") + relu("b", "data", "y"), 'top 0 "y" is already made'),
    "one top twice": (
        IN + 'layer { name: "s" type: "Split" bottom: "data" top: "y" top: "y" }',
        'top 1 "y" is already made by another layer',
    ),
    "in place at another position": (
        IN + relu("a", "data", "y") + 'layer { name: "e" type: "Eltwise" bottom: "data" bottom: "y" top: "y" }',
        'top 0 "y" is already made',
    ),
    "overwrites what another layer reads": (
        IN + relu("a", "data", "y") + relu("b", "y", "z") + relu("c", "y", "y"),
        'overwrites blob "y", which "b" reads too',
    ),
    "too few bottoms": (
        IN + 'layer { name: "e" type: "Eltwise" bottom: "data" top: "y" }',
        "has 1 bottoms; want 2 or more",
    ),
    "too many tops": (
        IN + 'layer { name: "r" type: "ReLU" bottom: "data" top: "y" top: "z" }',
        "has 2 tops; want 1",
    ),
    "tops unlike bottoms": (
        IN + convolution('top: "y" top: "z"', "num_output: 1 kernel_size: 1"),
        "has 1 bottoms and 2 tops",
    ),
    "kernel larger than the image": (
        IN + convolution('top: "y"', "num_output: 1 kernel_size: 9"),
        "too small for the window",
    ),
    "kernel twice": (
        IN + convolution('top: "y"', "num_output: 1 kernel_size: 3 kernel_h: 2 kernel_w: 2"),
        "gives both kernel_size and kernel_h or kernel_w",
    ),
    "group that does not divide": (
        IN + convolution('top: "y"', "num_output: 4 kernel_size: 1 group: 2"),
        "group 2 does not divide 3 channels",
    ),
    "Axpy with another scale": (
        IN
        + 'layer { name: "s" type: "Input" top: "s" input_param { shape { dim: 1 dim: 3 } } }\n'
        + 'layer { name: "j" type: "Axpy" bottom: "s" bottom: "data" bottom: "data" top: "y" }',
        'layer "j" (Axpy): scale (1, 3) does not fit x (2, 3, 7, 5); want (2, 3)',
    ),
    "loss weights that are too many": (
        IN + 'layer { name: "r" type: "ReLU" bottom: "data" top: "y" loss_weight: 1 loss_weight: 2 }',
        "has 2 loss_weight for 1 tops",
    ),
    "no value at all": (
        'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 2 dim: 0 } } }',
        "a blob of shape (2, 0) holds no value; want sizes above 0",
    ),
    "two tops of a loss": (
        IN + 'layer { name: "l" type: "SoftmaxWithLoss" bottom: "data" bottom: "data" top: "y" top: "z" }',
        "has 1 loss_weight for 2 tops",
    ),
    "more values than Caffe counts": (
        'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 65536 dim: 65536 } } }',
        "Caffe takes 2147483647 at the most",
    ),
}


@pytest.mark.parametrize(("text", "fact"), REFUSED.values(), ids=REFUSED)
def test_refused(text: str, fact: str) -> None:
    with pytest.raises(NetError) as caught:
        graph_of(text)
    assert fact in str(caught.value)
    assert str(caught.value).startswith("net.prototxt:")


def test_an_unknown_type_is_kept_and_named_when_it_must_run() -> None:
    odd = 'layer { name: "b" type: "Odd" bottom: "y" top: "z" }'
    graph = graph_of(IN + relu("a", "data", "y").replace("ReLU", "Relu") + odd)
    assert graph.shapes[Value("z")] is None
    assert "Relu" in str(graph)
    with pytest.raises(CaffeError) as caught:
        caffe2py.to_source(graph)
    for words in ('"a" (Relu; did you mean "ReLU"?)', '"b" (Odd)', "--plugin"):
        assert words in str(caught.value)
