"""Written again, a fork's net has the numbers that the fork gave it, and whatever nobody explained."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import caffe2py
from caffe2py.proto import forks, net_of, parse_net
from caffe2py.proto.dialects.encoding import message_of, without_number
from caffe2py.proto.upgrade.file import upgrade
from caffe2py.proto.weights.caffemodel import parse_weights
from caffe2py.proto.weights.read import read_weights
from caffe2py.proto.weights.wire import LEN, fields
from tests.helpers import encode
from tests.helpers.fork_nets import NETS, OLD_NETS, prototxt
from tests.helpers.forks import fill, own_blocks, raw_of, said, saved

STRANGE = encode.text(777, b"\x08\x05\x12\x01z") + encode.integer(778, 3)


def tree(data: bytes, path: str = "") -> Iterator[tuple[str, bytes]]:
    """Every field of a message with its path of numbers, whatever may be a block taken for one."""
    for item in fields(data, 0, len(data)):
        yield f"{path}{item.number}", data[item.start : item.end]
        if item.wire == LEN:
            try:
                yield from list(tree(data[item.start : item.end], f"{path}{item.number}."))
            except ValueError:
                continue


@pytest.mark.parametrize("fork", NETS)
def test_a_net_goes_back_as_it_came(fork: str) -> None:
    data = saved(fork, prototxt(NETS[fork]))
    net = net_of(parse_weights(data, "f"))
    assert message_of(net).SerializeToString() == data


@pytest.mark.parametrize("fork", NETS)
def test_a_prototxt_gets_the_numbers_of_its_fork(fork: str) -> None:
    """Whatever dialect is chosen for a text, what is written by it is read as what the text says."""
    net = parse_net(prototxt(NETS[fork]))
    assert not without_number(net)
    data = message_of(net).SerializeToString()
    assert said(net_of(parse_weights(data, "f"), net.dialects[0])) == said(net) or len(net.dialects) > 1


@pytest.mark.parametrize("fork, type_, block", list(own_blocks()))
def test_a_whole_block_goes_back(fork: str, type_: str, block: str) -> None:
    message: Any = forks.dialect(fork).message_class("NetParameter")()
    layer = message.layer.add(name="x", type=type_, bottom=["a"], top=["b"])
    getattr(layer, block).SetInParent()
    fill(getattr(layer, block), random.Random(block))
    data = message.SerializeToString()
    assert message_of(net_of(parse_weights(data, "f"))).SerializeToString() == data


def test_fields_of_two_forks_go_back_as_they_came() -> None:
    parts = saved("ssd", prototxt(NETS["ssd"]))
    interp = 'layer { type: "Interp" name: "i" bottom: "b0" top: "i" interp_param { height: 60 width: 61 } }'
    data = parts + saved("pspnet", interp)
    assert message_of(net_of(parse_weights(data, "f"))).SerializeToString() == data


@pytest.fixture
def strange(tmp_path: Path) -> Path:
    """A convolution with weights, fields that no schema knows in it, in its block, and in the net."""
    block = encode.integer(1, 2) + encode.integer(4, 3) + encode.integer(999, 1)
    weights = encode.packed(5, [0.5] * 54) + encode.shape(2, 3, 3, 3) + encode.integer(90, 4)
    bias = encode.packed(5, [0.25, 1]) + encode.shape(2)
    conv = encode.text(1, "c") + encode.text(2, "Convolution") + encode.text(3, "data") + encode.text(4, "c")
    conv += encode.text(7, weights) + encode.text(7, bias) + encode.text(106, block) + STRANGE
    dims = encode.text(1, encode.text(1, bytes([1, 3, 8, 8])))
    data = encode.text(1, "data") + encode.text(2, "Input") + encode.text(4, "data") + encode.text(143, dims)
    path = tmp_path / "strange.caffemodel"
    path.write_bytes(encode.text(1, "net") + encode.integer(90, 7) + encode.text(100, data) + encode.text(100, conv))
    return path


def layers_of(path: Path) -> list[list[tuple[str, bytes]]]:
    """The fields of each layer without its blobs, and those of the net."""
    weights = read_weights(path)
    return [sorted(tree(layer.header)) for layer in weights.layers] + [sorted(tree(weights.net_fields))]


@pytest.mark.parametrize("way", ["upgrade", "convert"])
def test_what_nobody_explains_goes_back(strange: Path, tmp_path: Path, way: str) -> None:
    out = tmp_path / "again.caffemodel"
    if way == "upgrade":
        upgrade(strange, out)
    else:
        graph = caffe2py.load(strange)
        assert np.array_equal(graph.node("c").blobs()[1], np.float32([0.25, 1]))
        caffe2py.save(graph, caffemodel=out)
    assert layers_of(out) == layers_of(strange)
    blobs = [[blob.extra for blob in layer.blobs] for layer in read_weights(out).layers]
    assert blobs == [[], [encode.integer(90, 4), b""]]
    assert raw_of(net_of(read_weights(out))) == ["convolution_param.999", "777", "778"]


def test_a_prototxt_tells_what_it_cannot_hold(strange: Path) -> None:
    text = caffe2py.proto.format_net(net_of(read_weights(strange)))
    assert "# field 777, which no schema explains: ca 30 05 08 05 12 01 7a" in text
    known = [(path, value) for path, value in said(net_of(read_weights(strange)))[1] if not isinstance(value, bytes)]
    assert said(parse_net(text))[1] == known


@pytest.mark.parametrize("fork", OLD_NETS)
def test_a_net_of_2014_is_upgraded_with_its_forks_fields(fork: str, tmp_path: Path) -> None:
    blob = "num: 1 channels: 1 length: 1 height: 1 width: 2 data: 2 data: 3"
    if fork != "c3d":
        blob = "num: 1 channels: 1 height: 1 width: 2 data: 2 data: 3"
    count = 2 if fork in ("segnet", "deconvnet") else 1
    text = prototxt(OLD_NETS[fork], old=True)
    lines = [
        line[:-1] + f"blobs {{ {blob} }} " * count + "}" if line.startswith("layers") else line
        for line in text.split("\n")
    ]
    old, new, newer = (tmp_path / f"{n}.caffemodel" for n in ("old", "new", "newer"))
    old.write_bytes(saved(fork, "\n".join(lines)))
    upgrade(old, new)
    again = read_weights(new)
    assert again.version == "V2"
    assert said(net_of(again, fork)) == said(parse_net(text))
    for layer, before in zip(again.layers, read_weights(old).layers, strict=True):
        for a, b in zip(layer.blobs, before.blobs, strict=True):
            assert np.array_equal(a.data, b.data) and a.kind == b.kind
    upgrade(new, newer, fork)
    assert newer.read_bytes() == new.read_bytes()


def test_a_custom_layers_field_has_no_number() -> None:
    net = parse_net('layer { name: "x" type: "Mine" bottom: "a" top: "b" my_param { a: 1 } }')
    assert without_number(net) == ("my_param has no number in any known schema: a caffemodel does not hold it",)
    assert said(net_of(parse_weights(message_of(net).SerializeToString(), "f"))) == [
        [("bottom", "a"), ("name", "x"), ("top", "b"), ("type", "Mine")]
    ]
