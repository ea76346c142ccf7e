"""Numbers that are none, and too large ones, in every parameter of every type: each view says the same, or an error."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import onnxruntime
import pytest

import caffe2py
from caffe2py.backends.onnx.model import to_onnx
from caffe2py.backends.torch.run import run
from caffe2py.errors import CaffeError
from caffe2py.graph import Graph
from caffe2py.graph.build import build
from caffe2py.graph.fillers import fill_weights
from caffe2py.layers.base import layer_types
from caffe2py.proto.filter import filter_net
from caffe2py.proto.net import parse_net
from caffe2py.proto.text.writer import format_net
from tests.helpers.layer_cases import Arrays, Case, cases, relative

WRITTEN = ("inf", "-inf", "nan", "1e39", "1e400")
MARK = "123456.75"


def parameters() -> list[tuple[str, str]]:
    """The type of a layer and the path of a field that holds a float or several."""
    found: dict[tuple[str, str], None] = {}
    for name, cls in layer_types().items():
        for each in getattr(cls, "meanings", None) or (cls,):
            for f in dataclasses.fields(each):
                if "path" in f.metadata and "float" in str(f.type):
                    found[name, f.metadata["path"]] = None
    return list(found)


@cache
def samples() -> dict[str, Case]:
    """A recorded net for each type."""
    found: dict[str, Case] = {}
    for case in (*cases("layers/*"), *cases("forks/*")):
        for _, type_ in case.layers:
            found.setdefault(type_, case)
    return found


def with_number(case: Case, type_: str, path: str, number: str) -> str:
    """The net of a case with a number in the first layer of a type."""
    net = parse_net(case.prototxt, "net.prototxt")
    message = next(layer.message for layer in net.layers if layer.message.type == type_)
    *blocks, name = path.split(".")
    for block in blocks:
        if block not in message.DESCRIPTOR.fields_by_name:
            break
        message = getattr(message, block)
    field = message.DESCRIPTOR.fields_by_name.get(name)
    if field is None:  # a fork's, in front of what the layer says, which a second value of its own would contradict
        opened = "".join(f" {block} {{" for block in blocks)
        head = f'type: "{type_}"'
        return format_net(net).replace(head, f"{head}{opened} {name}: {number}{' }' * len(blocks)}", 1)
    if field.is_repeated:
        del getattr(message, name)[:]
        getattr(message, name).extend([float(MARK)] * 2)
    else:
        setattr(message, name, float(MARK))
    return format_net(net).replace(MARK, number)


def inputs(graph: Graph, case: Case) -> Arrays:
    return {blob: case.inputs.get(blob, np.zeros(shape or (), np.float32)) for blob, shape in graph.inputs.items()}


@pytest.mark.parametrize("type_, path", parameters(), ids="-".join)
def test_views_agree(type_: str, path: str) -> None:
    case = samples().get(type_)
    if case is None:
        assert type_ in FORMULAS
        return
    for number in WRITTEN:
        try:
            net = filter_net(parse_net(with_number(case, type_, path, number)), case.phase, 0, case.stages)
            graph = fill_weights(build(net, phase=case.phase), 1)
            given = inputs(graph, case)
            wanted = run(graph, given)
        except CaffeError:
            continue  # Caffe, too, does not take every number everywhere
        again = build(parse_net(format_net(graph.net)), phase=case.phase)  # as a .pt holds the net
        assert [repr(n.layer) for n in again.nodes] == [repr(n.layer) for n in graph.nodes]
        for views in (flat(graph, given), onnx(graph, given)):
            for blob, top in views.items():
                assert relative(top, wanted[blob]) <= 1e-3, (number, blob)


FORMULAS = {"CuDNNBatchNorm"}  # no record has one


def flat(graph: Graph, given: Arrays) -> Arrays:
    return run(graph, given, style="flat")


def onnx(graph: Graph, given: Arrays) -> Arrays:
    try:
        model = to_onnx(graph)
    except CaffeError:
        return {}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    names = [i.name for i in session.get_inputs()]
    return dict(zip(graph.outputs, session.run(None, dict(zip(names, given.values(), strict=True))), strict=True))


OUT_OF_RANGE = {
    "SoftmaxWithLoss": "",
    "MultinomialLogisticLoss": "",
    "HingeLoss": "",
    "Accuracy": "",
    "BatchReindex": "",
    "InfogainLoss": 'bottom: "h"',
    "Embed": "embed_param { input_dim: 3 num_output: 2 }",
}


@pytest.mark.parametrize("label", [3, 7, -1])
@pytest.mark.parametrize("type_", OUT_OF_RANGE)
def test_a_label_out_of_range_is_an_error_of_the_layer(type_: str, label: int) -> None:
    shapes = "shape { dim: 3 dim: 3 } shape { dim: 3 } shape { dim: 1 dim: 1 dim: 3 dim: 3 }"
    bottoms = 'bottom: "l"' if type_ == "Embed" else 'bottom: "x" bottom: "l"'
    text = f"""layer {{ name: "in" type: "Input" top: "x" top: "l" top: "h" input_param {{ {shapes} }} }}
    layer {{ name: "y" type: "{type_}" {bottoms} top: "y" {OUT_OF_RANGE[type_]} }}"""
    graph = fill_weights(build(filter_net(parse_net(text, "f"))), 1)
    given = inputs_of(graph, label)
    with pytest.raises(
        CaffeError, match=rf'f:2:5: layer "y" \({type_}\): cannot run on this input: .*label or an index'
    ):
        caffe2py.run(graph, given)
    given["l"][0] = 2
    caffe2py.run(graph, given)


def inputs_of(graph: Graph, label: int) -> Arrays:
    given = {blob: np.ones(shape or (), np.float32) for blob, shape in graph.inputs.items()}
    given["l"][0] = label
    return given
