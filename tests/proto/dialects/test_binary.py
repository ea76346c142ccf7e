"""Nets that the forks saved: each decodes to what its own fork means, or is refused, and never to another's meaning."""

from __future__ import annotations

import random
from typing import Any

import pytest

from caffe2py.errors import CaffeError, CaffemodelError
from caffe2py.proto import forks, net_from_message, net_of, parse_net
from caffe2py.proto.schema import NetParameter
from caffe2py.proto.weights.caffemodel import parse_weights
from tests.helpers import encode
from tests.helpers.fork_nets import NETS, OLD_NETS, prototxt
from tests.helpers.forks import Values, fill, own_blocks, raw_of, said, saved, values_of

# What Caffe's own schema makes of a fork's bytes without a word: the fork, a type, what the fork means, what it takes.
MISREAD = [
    ("segnet", "Upsample", "upsample_param { scale: 3 }", "embed_param.num_output"),
    ("yjxiong", "BN", 'bn_param { slope_filler { type: "x" } }', "embed_param"),
    ("ren", "ROIPooling", "roi_pooling_param { pooled_h: 7 pooled_w: 6 }", "embed_param.input_dim"),
    ("segnet", "DenseImageData", "dense_image_data_param { batch_size: 5 }", "tile_param.tiles"),
    ("happynear", "BatchNorm", "batch_norm_param { disable_mean: true }", "crop_param"),
    ("ctpn", "Lstm", "lstm_param { num_output: 4 }", "elu_param"),
    ("ctpn", "Transpose", "transpose_param { dim: 2 dim: 0 }", "scale_param.axis"),
    ("lrcn", "LSTM", "recurrent_param { num_output: 4 }", "log_param"),
    ("parsenet", "Tile", "tile_param { axis: 2 tiles: 3 }", "flatten_param.end_axis"),
    ("parsenet", "Reshape", "reshape_param { axis: 1 }", "reduction_param"),
    ("ncnn", "ShuffleChannel", "shuffle_channel_param { group: 3 }", "parameter_param"),
    ("mnn", "Interp", "interp_param { height: 3 }", ""),
    (
        "yjxiong",
        "Convolution",
        "convolution_param { num_output: 4 kernel_size: 3 dilation: 2 }",
        "convolution_param.axis",
    ),
    ("soeaver", "Pooling", "pooling_param { kernel_size: 3 ceil_mode: false }", "pooling_param.round_mode"),
    ("vnet", "Pooling", "pooling_param { kernel_size: 3 stride: 2 }", "pooling_param.pad"),
    ("intel", "Reorg", "reorg_param { stride: 2 }", ""),
]


def read(data: bytes, dialect: str | None = None) -> Any:
    return net_of(parse_weights(data, "net.caffemodel"), dialect)


def heirs(fork: str) -> set[str]:
    """Forks whose names are as good: those that it grew from."""
    return set(forks.dialect(fork).ancestors)


@pytest.mark.parametrize("dialect", [None, "forced"])
@pytest.mark.parametrize("fork", NETS)
def test_a_forks_net_means_what_its_prototxt_means(fork: str, dialect: str | None) -> None:
    text = prototxt(NETS[fork])
    net = read(saved(fork, text), dialect and fork)
    assert said(net) == said(parse_net(text))
    assert not raw_of(net)
    assert set(net.dialects) <= heirs(fork)


@pytest.mark.parametrize("fork", OLD_NETS)
def test_a_forks_net_of_2014(fork: str) -> None:
    text = prototxt(OLD_NETS[fork], old=True)
    blob = "num: 1 length: 1 channels: 1 height: 1 width: 1 data: 2" if fork == "c3d" else "shape { dim: 1 } data: 2"
    if fork in ("segnet", "deconvnet"):
        blob += " } blobs { " + blob
    lines = [line[:-1] + f"blobs {{ {blob} }} }}" if line.startswith("layers") else line for line in text.split("\n")]
    net = read(saved(fork, "\n".join(lines)))
    assert said(net) == said(parse_net(text))
    assert not raw_of(net)
    assert net.dialects in ((fork,), ("deconvnet",))  # whose BN is SegNet's, to the number


@pytest.mark.parametrize("fork, type_, params, taken", MISREAD)
def test_what_caffe_misreads_in_silence(fork: str, type_: str, params: str, taken: str) -> None:
    text = prototxt(f"{type_} {params}")
    data = saved(fork, text)
    own = said(net_from_message(NetParameter.FromString(data), "f"))[0] if taken else []
    assert any(path.startswith(taken) for path, _ in own) or not taken
    try:
        net = read(data)
    except CaffemodelError as error:
        assert "mean several things" in str(error) and fork in str(error)
    else:
        assert said(net) == said(parse_net(text))


@pytest.mark.parametrize("fork, type_, block", list(own_blocks()))
def test_a_whole_block(fork: str, type_: str, block: str) -> None:
    """Every field of every block that a fork adds, alone in a file."""
    message: Any = forks.dialect(fork).message_class("NetParameter")()
    layer = message.layer.add(name="x", type=type_, bottom=["a"], top=["b"])
    getattr(layer, block).SetInParent()
    fill(getattr(layer, block), random.Random(fork + block))
    want: Values = sorted(values_of(layer), key=lambda pair: pair[0])
    for dialect in (None, fork):
        net = read(message.SerializeToString(), dialect)
        assert said(net) == [want]


def test_a_layer_that_a_fork_took_from_another() -> None:
    """SSD with PSPNet's Interp, which no fork here has: each is read by whom it is from."""
    parts = prototxt(NETS["ssd"])
    interp = 'layer { type: "Interp" name: "i" bottom: "b0" top: "i" interp_param { height: 60 width: 61 } }'
    net = read(saved("ssd", parts) + saved("pspnet", interp))
    assert said(net) == said(parse_net(f"{parts}\n{interp}"))
    assert net.dialects[0] == "ssd" and len(net.dialects) == 2


@pytest.mark.parametrize(
    "layer, ways",
    [
        (
            'type: "Pooling" pooling_param { kernel_size: 3 round_mode: FLOOR }',
            ["round_mode: FLOOR in bvlc", "soeaver"],
        ),
        (
            'type: "Convolution" convolution_param { num_output: 1 kernel_size: 3 axis: 2 }',
            ["axis: 2 in bvlc", "yjxiong"],
        ),
    ],
)
def test_two_that_fit_and_differ_are_refused(layer: str, ways: list[str]) -> None:
    data = saved("bvlc", f'layer {{ name: "x" bottom: "a" top: "b" {layer} }}')
    with pytest.raises(CaffemodelError, match=r'^net.caffemodel: layer "x": its bytes mean several things') as error:
        read(data)
    assert all(way in str(error.value) for way in (*ways, "want the prototxt too, or the dialect"))
    assert said(read(data, "bvlc")) == said(parse_net(f'layer {{ name: "x" bottom: "a" top: "b" {layer} }}'))


def test_weights_tell_flat_convolutions_from_others() -> None:
    """An axis of 2 in a blob of four axes leaves weights of three; a fork with its dilation there has four."""
    layer = (
        'name: "x" type: "Convolution" bottom: "a" top: "b" convolution_param { num_output: 1 kernel_size: 3 axis: 2 }'
    )
    data = saved("bvlc", f"layer {{ {layer} blobs {{ shape {{ dim: 1 dim: 1 dim: 1 }} data: 1 }} }}")
    assert read(data).dialects == ("bvlc",)


def test_what_nobody_explains_is_kept_and_told() -> None:
    strange = encode.text(100, encode.text(1, "x") + encode.text(2, "Odd") + encode.text(777, b"\x08\x05\x12\x01z"))
    net = read(strange)
    assert raw_of(net) == ["777"]
    assert any('layer "x": no schema explains field 777 (' in note for note in net.notes)
    part = encode.text(106, encode.integer(1, 4) + encode.integer(4, 3) + encode.integer(99, 1))
    net = read(encode.text(100, encode.text(1, "x") + encode.text(2, "Convolution") + part))
    assert raw_of(net) == ["convolution_param.99"]
    assert ("convolution_param.num_output", 4) in said(net)[0]


def test_a_number_is_not_taken_for_a_block_that_the_type_has_no_use_for() -> None:
    data = saved("segnet", prototxt("Upsample upsample_param { scale: 3 }")).replace(b"Upsample", b"Unheard1")
    net = read(data)
    assert raw_of(net) == ["137"] and net.dialects == ("bvlc",)


def test_a_dialect_that_there_is_not() -> None:
    with pytest.raises(CaffeError, match='there is no dialect "sdd"'):
        read(saved("ssd", prototxt(NETS["ssd"])), "sdd")


@pytest.mark.parametrize("fork", ["ssd", "pspnet"])
def test_a_dialect_that_is_said_is_not_second_guessed(fork: str) -> None:
    """Read as Caffe's own, a fork's file has bytes that are kept, and no fork's names."""
    net = read(saved(fork, prototxt(NETS[fork])), "bvlc")
    assert net.dialects == ("bvlc",) and raw_of(net)
    assert not any("interp_param" in path or "permute_param" in path for values in said(net) for path, _ in values)
