"""A layer gets the same parameters from a fork's caffemodel as from its prototxt."""

from __future__ import annotations

from typing import Any

import pytest

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
