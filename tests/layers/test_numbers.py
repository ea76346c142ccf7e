"""Numbers that are none, and too large ones, in every parameter of every type: each view says the same, or an error."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
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
from caffe2py.proto.text.prototxt import NetText
from caffe2py.proto.text.writer import format_net
from tests.helpers.layer_cases import Arrays, cases, relative
from tests.helpers.runtimes import in_onnxruntime
from tests.helpers.tables.forks.every import FORMULA_CASES
from tests.helpers.tables.layers import net as net_text
from tests.helpers.tables.windows import TABLES

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


_SIZE = "the shape follows from it"
_FINITE = "what it multiplies has to end at some pixel"

# Of these parameters no such number is taken.
NONE_TAKEN = {
    ("Exp", "exp_param.base"): "Caffe checks it",
    ("Log", "log_param.base"): "Caffe checks it",
    ("Dropout", "dropout_param.dropout_ratio"): "Caffe checks it",
    ("DetectionOutput", "detection_output_param.nms_param.eta"): "Caffe checks it",
    ("Eltwise", "eltwise_param.coeff"): "Caffe takes it for sums, and the sample is a product",
    ("BoxOutput", "bbox_reg_param.bbox_mean"): "there are four of it or none",
    ("BoxOutput", "bbox_reg_param.bbox_std"): "there are four of it or none",
    ("DataAugmentation", "augmentation_param.mean"): "there is one for each channel",
    ("Convolution3D", "convolution_param.negative_slope"): "it is read for Convolution alone",
    ("Proposal", "proposal_param.ratio"): _FINITE,
    ("Proposal", "proposal_param.scale"): _FINITE,
    ("FrcnnProposal", "proposal_param.ratio"): _FINITE,
    ("FrcnnProposal", "proposal_param.scale"): _FINITE,
    ("YoloDetectionOutput", "yolo_detection_output_param.biases"): _FINITE,
    ("Yolov3DetectionOutput", "yolov3_detection_output_param.biases"): _FINITE,
    ("PriorBox", "prior_box_param.min_size"): _FINITE,
    ("PriorBox", "prior_box_param.max_size"): _FINITE,
    ("PSROIPooling", "psroi_pooling_param.spatial_scale"): _FINITE,
    ("ROIAlign", "roi_align_param.spatial_scale"): _FINITE,
    ("ROIWarping", "roi_warping_param.spatial_scale"): _FINITE,
    ("ROIAlign", "roi_align_param.pad_ratio"): _FINITE,
    ("ImResize", "imresize_param.factor"): _SIZE,
    ("ImResize", "imresize_param.start_scale"): _SIZE,
    ("ImResize", "imresize_param.scale_gap"): _SIZE,
}


class Sample(NamedTuple):
    """A net with a layer of some type, and what it is fed."""

    net: NetText
    phase: str
    inputs: Arrays


@cache
def samples() -> dict[str, Sample]:
    """A net for each type: one that was recorded, else one that is held against a formula or a table."""
    found: dict[str, Sample] = {}
    for case in (*cases("layers/*"), *cases("forks/*")):
        net = filter_net(parse_net(case.prototxt, "net.prototxt"), case.phase, 0, case.stages)
        for layer in net.layers:
            found.setdefault(layer.message.type, Sample(net, case.phase, case.inputs))
    for formula in FORMULA_CASES:
        net_ = formula.graph().net
        assert net_ is not None
        fed = {f"x{i}": x.astype(np.float32) for i, x in enumerate(formula.bottoms)}
        for layer in net_.layers:
            found.setdefault(layer.message.type, Sample(net_, "TEST", fed))
    for table in TABLES:
        text = net_text(table.type, table.params, [x.shape for x in table.bottoms], len(table.tops))
        fed = {f"x{i}": x.astype(np.float32) for i, x in enumerate(table.bottoms)}
        found.setdefault(table.type, Sample(filter_net(parse_net(text)), "TEST", fed))
    return found


def with_number(sample: Sample, type_: str, path: str, number: str) -> str:
    """The net of a sample with a number in the first layer of a type."""
    net = parse_net(format_net(sample.net), "net.prototxt")
    message = next(layer.message for layer in net.layers if layer.message.type == type_)
    *blocks, name = path.split(".")
    for block in blocks:
        if block not in message.DESCRIPTOR.fields_by_name:
            break
        message = getattr(message, block)
    field = message.DESCRIPTOR.fields_by_name.get(name)
    if field is None:
        return with_fork_number(format_net(net), type_, blocks, name, number)
    if field.is_repeated:
        del getattr(message, name)[:]
        getattr(message, name).extend([float(MARK)] * 2)
    else:
        setattr(message, name, float(MARK))
    return format_net(net).replace(MARK, number)


def with_fork_number(text: str, type_: str, blocks: Sequence[str], field: str, number: str) -> str:
    """A field that Caffe's messages have not: its value replaced, else put into the innermost block that is there."""
    before, head, rest = text.partition(f'type: "{type_}"')
    layer, more, behind = rest.partition("\nlayer {")
    layer, found = re.subn(rf"\b{field}: \S+", f"{field}: {number}", layer, count=1)
    if not found:
        there = [block for block in blocks if re.search(rf"\b{block} {{", layer)]
        new = blocks[len(there) :]
        said = f" {' { '.join([*new, f'{field}: {number}'])}{' }' * len(new)}"
        layer = re.sub(rf"\b{there[-1]} {{" if there else "^", rf"\g<0>{said}", layer, count=1)
    return f"{before}{head}{layer}{more}{behind}"


def inputs(graph: Graph, sample: Sample) -> Arrays:
    return {blob: sample.inputs.get(blob, np.zeros(shape or (), np.float32)) for blob, shape in graph.inputs.items()}


@pytest.mark.parametrize("type_, path", parameters(), ids=str)
def test_views_agree(type_: str, path: str) -> None:
    sample = samples()[type_]
    taken = []
    for number in WRITTEN:
        try:
            net = filter_net(parse_net(with_number(sample, type_, path, number)), sample.phase)
            graph = fill_weights(build(net, phase=sample.phase), 1)
            given = inputs(graph, sample)
            wanted = run(graph, given)
        except CaffeError:
            continue  # Caffe, too, does not take every number everywhere
        again = build(parse_net(format_net(graph.net)), phase=sample.phase)  # as a .pt holds the net
        assert [repr(n.layer) for n in again.nodes] == [repr(n.layer) for n in graph.nodes]
        for views in (flat(graph, given), onnx(graph, given)):
            for blob, top in views.items():
                assert relative(top, wanted[blob]) <= 1e-3, (number, blob)
        taken.append(number)
    assert bool(taken) != ((type_, path) in NONE_TAKEN)


def flat(graph: Graph, given: Arrays) -> Arrays:
    return run(graph, given, style="flat")


def onnx(graph: Graph, given: Arrays) -> Arrays:
    try:
        model = to_onnx(graph)
    except CaffeError:
        return {}
    return in_onnxruntime(model, graph.outputs)(given)


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
