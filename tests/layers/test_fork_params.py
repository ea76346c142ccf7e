"""A layer gets the same parameters from a fork's caffemodel as from its prototxt."""

from __future__ import annotations

from typing import Any

import pytest

from caffe2py.errors import CaffeError
from caffe2py.layers.base import Misfit, Params, find_layer
from caffe2py.layers.base.opaque import Opaque
from caffe2py.proto import net_of, parse_net
from caffe2py.proto.text.prototxt import LayerText
from caffe2py.proto.weights.caffemodel import parse_weights
from tests.helpers.fork_nets import NETS, prototxt
from tests.helpers.forks import saved


def read(layer: LayerText) -> Any:
    """The layer as its class reads it, or what it finds wrong."""
    cls = find_layer(layer.message.type)
    try:
        return Opaque(layer.message.type) if cls is None else cls.read(Params(layer.message, layer.unknown))
    except Misfit as misfit:
        return str(misfit)


@pytest.mark.parametrize("fork", NETS)
def test_params(fork: str) -> None:
    text = prototxt(NETS[fork])
    written, stored = parse_net(text), net_of(parse_weights(saved(fork, text), "net.caffemodel"))
    assert list(map(read, written.layers)) == list(map(read, stored.layers))


def test_a_layer_reads_a_forks_fields_from_either() -> None:
    """Numbers that a prototxt writes without a point are floats where the fork has floats, and enums are words."""
    text = "PriorBox prior_box_param { min_size: 60 clip: 1 } DetectionOutput detection_output_param { code_type: 2 }"
    text = prototxt(text)
    for net in (parse_net(text), net_of(parse_weights(saved("ssd", text), "net.caffemodel"))):
        prior, output = (Params(layer.message, layer.unknown) for layer in net.layers)
        assert [repr(v) for v in prior.all("prior_box_param.min_size")] == ["60.0"]
        assert prior.get("prior_box_param.clip") is True
        assert output.get("detection_output_param.code_type") == "CENTER_SIZE"
        assert not output.has("detection_output_param.nms_param.top_k")


CONV, POOL = "convolution_param { num_output: 1 kernel_size: 3", "pooling_param { kernel_size: 2 stride: 2"

# What forks call something of Caffe's, and how Caffe says it; then what they say that Caffe could not.
WORDS = {
    "ceil_mode": (f"Pooling {POOL} ceil_mode: false }}", f"Pooling {POOL} round_mode: FLOOR }}"),
    "ceil_mode on": (f"Pooling {POOL} ceil_mode: true }}", f"Pooling {POOL} }}"),
    "torch_pooling": (f"Pooling {POOL} torch_pooling: true }}", f"Pooling {POOL} round_mode: FLOOR }}"),
    "V-Net's two": (
        "Pooling pooling_param { kernel_size: [2, 3] }",
        "Pooling pooling_param { kernel_h: 2 kernel_w: 3 }",
    ),
    "hole": (f"Convolution {CONV} hole: 2 }}", f"Convolution {CONV} dilation: 2 }}"),
    "filter_stride": (f"Convolution {CONV} filter_stride: 2 }}", f"Convolution {CONV} dilation: 2 }}"),
    "dilation_h": (f"Convolution {CONV} dilation_h: 2 dilation_w: 3 }}", f"Convolution {CONV} dilation: [2, 3] }}"),
}


@pytest.mark.parametrize("theirs, ours", WORDS.values(), ids=WORDS)
def test_the_forks_words_for_what_caffe_has(theirs: str, ours: str) -> None:
    (fork,), (own,) = (map(read, parse_net(prototxt(text)).layers) for text in (theirs, ours))
    assert fork == own and not isinstance(fork, str)


WRONG = {
    f"Pooling {POOL} round_mode: CEIL ceil_mode: false }}": "round_mode and ceil_mode, which differ",
    "Pooling pooling_param { kernel_size: [2, 2, 3] axis: 2 }": "has another axis than 1",
    f"Pooling {POOL} pool: MAX pool: AVE }}": "pool is given twice",
    f"Convolution {CONV} dilation: 2 dilation_h: 2 }}": "gives both dilation and dilation_h or dilation_w",
}


@pytest.mark.parametrize("params", WRONG)
def test_what_contradicts_itself(params: str) -> None:
    try:
        (found,) = map(read, parse_net(prototxt(params)).layers)
    except CaffeError as error:
        found = str(error)
    assert WRONG[params] in str(found)
