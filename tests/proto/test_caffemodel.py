"""Binary caffemodels: what is read, what is refused and how it is said, what is written."""

from __future__ import annotations

import gc
import io
import itertools
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffe2py.errors import CaffeError, CaffemodelError, FileError, WeightError
from caffe2py.proto.schema import NetParameter
from caffe2py.proto.weights.blobs import Blob, encode_blob
from caffe2py.proto.weights.caffemodel import parse_weights, write_caffemodel
from caffe2py.proto.weights.read import read_weights
from tests.helpers.absent import each, needs
from tests.helpers.encode import integer, layer, legacy, number, packed, shape, tag, text, unpacked, v0_layer, v1_layer
from tests.helpers.layer_cases import cases
from tests.helpers.recorded_nets import recorded_nets

SIX = [0.5, -1.0, 2.0, 3.25, -4.0, 1e-30]


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", b"x" * 50)
    return file.getvalue()


OTHER_FILES = {
    "prototxt": (b'name: "net"\nlayer {\n  name: "data"\n}\n', "it is a prototxt: swap the two"),
    "prototxt after a comment": (b"# VGG\n\nlayers { name: 'x' }\n", "it is a prototxt: swap the two"),
    "git-lfs pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git-lfs pointer"),
    "web page": (b"\n<!DOCTYPE html>\n<html><title>404</title></html>", "web page"),
    "xml": (b'<?xml version="1.0"?><Error>AccessDenied</Error>', "web page"),
    "json": (b'{"error": "not found"}', "JSON"),
    "text": (b"Not Found\n", "it is text"),
    "zip": (zipped(), "zip archive"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(40), "PNG"),
    "jpeg": (b"\xff\xd8\xff\xe0" + bytes(40), "JPEG"),
    "gzip": (b"\x1f\x8b\x08" + bytes(40), "gzip"),
    "pickle": (b"\x80\x02}q\x00." + bytes(40), "pickle"),
    "numpy": (b"\x93NUMPY\x01\x00" + bytes(40), "numpy"),
    "safetensors": (b"\x40\x00\x00\x00\x00\x00\x00\x00{" + b'"a":{}' * 10, "safetensors"),
    "zero bytes": (bytes(5000), "zero bytes"),
    "a mean": (legacy(1, 3, 2, 2) + packed(5, SIX * 2), "wire type 0 where the net's name belongs: not a caffemodel"),
    "cut off": (
        layer("a", "ReLU")[:-2],
        "field 100 announces 9 bytes, 7 are left: the file is cut off, or no caffemodel",
    ),
    "only a name": (text(1, "net"), "no layers"),
    "both formats": (layer("a", "ReLU") + v1_layer("b", 18), 'both "layer" and "layers"'),
    "V0 in V1": (text(2, text(1, text(1, "a")) + text(6, packed(5, [1.0]))), "a V0 layer and a V1 layer in one"),
    "layer is a number": (integer(100, 5), "wire type 0 where a layer belongs"),
    "blob is a number": (text(100, text(1, "a") + integer(7, 5)), "wire type 0 where a blob belongs"),
    "type is a number": (text(100, integer(2, 5)), "wire type 0 where a layer's type belongs"),
    "parameters without end": (text(100, text(1, "a") + text(106, bytes(1 << 26))), "bytes of parameters"),
}

NET = (
    text(1, "net"),
    layer(
        "conv",
        "Convolution",
        packed(5, SIX) + shape(2, 3),
        unpacked(5, SIX[:2]) + shape(2),
        more=text(106, integer(1, 2)),
    ),
    integer(5, 1),
    layer(b"caf\xe9", "ReLU", more=text(3, b"caf\xe9") + tag(120, 3) + tag(120, 4)),
    layer("ip", "InnerProduct", packed(8, SIX, "d") + legacy(1, 1, 2, 3), more=integer(10, 1)),
)


def read(*parts: bytes):
    return parse_weights(b"".join(parts), "net.caffemodel")


@pytest.mark.parametrize("content, message", OTHER_FILES.values(), ids=OTHER_FILES)
def test_other_file(tmp_path, content, message):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(content)
    with pytest.raises(CaffemodelError, match=f"net.caffemodel: .*{message}"):
        read_weights(path)


def test_no_file(tmp_path):
    (tmp_path / "empty").touch()
    for name, message in (("nothing", "no such file"), ("", "is a directory"), ("empty", "the file is empty")):
        with pytest.raises(FileError, match=message):
            read_weights(tmp_path / name)


def test_layers():
    weights = read(*NET)
    assert (weights.version, weights.name, weights.notes) == ("V2", "net", ())
    assert [(one.name, one.type, len(one.blobs)) for one in weights.layers] == [
        ("conv", "Convolution", 2),
        ("caf\\xe9", "ReLU", 0),
        ("ip", "InnerProduct", 1),
    ]
    assert list(weights.by_name) == ["conv", "ip"]


def test_net_has_everything_but_the_blobs():
    net = read(*NET).net()
    assert (net.name, net.force_backward) == ("net", True)
    assert [one.name for one in net.layer] == ["conv", "caf\\xe9", "ip"]
    assert net.layer[0].convolution_param.num_output == 2
    assert list(net.layer[1].bottom) == ["caf\\xe9"]
    assert net.layer[2].phase == 1
    assert not any(one.blobs for one in net.layer)


def test_net_that_does_not_parse():
    with pytest.raises(CaffemodelError, match="parameters do not parse"):
        read(layer("conv", "Convolution", more=text(106, b"\xff"))).net()


@pytest.mark.parametrize(
    "parts, version, kind, position",
    [
        pytest.param((v1_layer("conv", 4, packed(5, SIX) + shape(6)),), "V1", "CONVOLUTION", "V1", id="V1"),
        pytest.param((v1_layer("conv", 999, packed(5, SIX) + shape(6)),), "V1", "999", "V1", id="V1, type of a fork"),
        pytest.param((v0_layer("conv", "conv", packed(5, SIX) + shape(6)),), "V0", "conv", "V0", id="V0"),
    ],
)
def test_old_formats(parts, version, kind, position):
    weights = read(text(1, "old"), *parts, text(3, "data"))
    assert (weights.version, weights.name) == (version, "old")
    (one,) = weights.layers
    assert (one.name, one.type) == ("conv", kind)
    assert one.blobs[0].data.tobytes() == np.array(SIX, "f4").tobytes()
    (old,) = weights.net().layers
    assert list(weights.net().input) == ["data"]
    assert list(old.bottom) == ["below"]
    inner = old.layer if position == "V0" else old
    assert (inner.name, len(inner.blobs)) == ("conv", 0)
    assert old.layer.num_output == (7 if position == "V0" else 0)


def test_last_of_two_layers_with_one_name_counts():
    weights = read(
        layer("a", "Scale", packed(5, [1.0])),
        layer("a", "Scale", packed(5, [2.0])),
        layer("a", "Silence"),
        layer("b", "ReLU"),
    )
    assert weights.by_name["a"].blobs[0].data == 2
    assert weights.notes == ('2 layers with weights are called "a"; in a net with one of that name the last counts',)


def test_arrays_are_private_views(tmp_path):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(b"".join(NET))
    data = read_weights(path).by_name["conv"].blobs[0].data
    gc.collect()  # the map lives as long as its arrays
    assert not data.flags.owndata and data.flags.writeable
    data[:] = 7
    assert (data == 7).all()
    assert path.read_bytes() == b"".join(NET)


def test_cut_anywhere():
    whole = b"".join(NET)
    ends = list(itertools.accumulate(len(part) for part in NET))
    for cut in range(len(whole)):
        if cut in ends[1:]:  # a cut between fields leaves a valid, shorter file
            assert len(read(whole[:cut]).layers) == sum(end <= cut for end in (ends[1], ends[3], ends[4]))
        else:
            with pytest.raises(CaffemodelError):
                read(whole[:cut])


def test_a_changed_byte_anywhere():
    outcomes = set()
    for whole in (
        b"".join(NET),
        v1_layer("conv", 4, packed(5, SIX) + shape(6)),
        v0_layer("conv", "conv", packed(5, SIX) + shape(6)),
    ):
        for at, flip in itertools.product(range(len(whole)), (1, 2, 4, 8, 16, 32, 64, 128, 255)):
            changed = bytearray(whole)
            changed[at] ^= flip
            try:
                read(bytes(changed)).net()
                outcomes.add("read")
            except CaffeError:
                outcomes.add("refused")
    assert outcomes == {"read", "refused"}


@given(st.binary(max_size=200), st.sampled_from([b"", NET[0], NET[1]]))
def test_any_bytes(junk, before):
    try:
        weights = read(before, junk)
    except CaffeError:
        return
    assert weights.layers


def test_more_than_2_gb(tmp_path):
    """A blob of 2.2 GB in a file with a hole, and a layer behind it."""
    count = 550_000_000
    blob = shape(count) + tag(5, 2) + number(4 * count)
    body = text(1, "large") + text(2, "Embed") + tag(7, 2) + number(len(blob) + 4 * count) + blob
    path = tmp_path / "large.caffemodel"
    with open(path, "wb") as file:
        file.write(tag(100, 2) + number(len(body) + 4 * count) + body)
        file.seek(4 * count - 4, 1)
        file.write(np.float32(3).tobytes() + layer("small", "Scale", packed(5, [2.0])))
    weights = read_weights(path)
    data = weights.by_name["large"].blobs[0].data
    assert (data.shape, data[0], data[-1]) == ((count,), 0, 3)
    assert weights.by_name["small"].blobs[0].data == 2
    length, _ = encode_blob(Blob(np.broadcast_to(np.float32(0), (count,))))
    assert length == len(blob) + 4 * count


def net_of(**types: str):
    net = NetParameter(name="net")
    for name, kind in types.items():
        net.layer.add(name=name, type=kind, bottom=["x"], phase=1)
    return net


def test_write_and_read(tmp_path):
    draw = np.random.default_rng(3)
    blobs = {
        "conv": [draw.standard_normal((2, 3, 5, 7), "f4"), np.array([np.nan, -0.0, np.inf, 1e-45], "f4")],
        "ip": [draw.standard_normal((3, 5)), np.float32(4).reshape(())],
        "none": [np.zeros((0, 3), "f4")],
        "strided": [draw.standard_normal((5, 7), "f4").T, draw.standard_normal((4, 6))[:, ::2]],
        "swapped": [np.array(SIX, ">f4"), np.array(SIX, ">f8")],
    }
    path = tmp_path / "out.caffemodel"
    write_caffemodel(
        path, net_of(conv="Convolution", relu="ReLU", ip="InnerProduct", none="A", strided="B", swapped="C"), blobs
    )
    weights = read_weights(path)
    assert [one.name for one in weights.layers] == ["conv", "relu", "ip", "none", "strided", "swapped"]
    for name, arrays in blobs.items():
        for array, blob in zip(arrays, weights.by_name[name].blobs, strict=True):
            assert (blob.data.shape, blob.data.dtype) == (array.shape, array.dtype.newbyteorder("<"))
            assert blob.data.tobytes() == array.astype(blob.data.dtype).tobytes()
    assert weights.net() == net_of(
        conv="Convolution", relu="ReLU", ip="InnerProduct", none="A", strided="B", swapped="C"
    )
    theirs = NetParameter.FromString(path.read_bytes())
    assert theirs.SerializeToString() == path.read_bytes()  # the order of fields is protobuf's own
    assert list(theirs.layer[2].blobs[0].double_data) == list(blobs["ip"][0].ravel())
    assert [path.name for path in tmp_path.iterdir()] == ["out.caffemodel"]


@pytest.mark.parametrize(
    "blobs, message",
    [
        pytest.param({"b": [np.zeros(1, "f4")]}, "the net has no layer 'b'", id="unknown layer"),
        pytest.param({"a": [np.zeros(1, "f2")]}, 'layer "a", blob 0: float16 values; want float32', id="half"),
        pytest.param({"a": [np.zeros(1, "f4"), np.zeros(1, "i4")]}, 'layer "a", blob 1: int32 values', id="integers"),
    ],
)
def test_what_cannot_be_written(tmp_path, blobs, message):
    with pytest.raises(WeightError, match=message):
        write_caffemodel(tmp_path / "out.caffemodel", net_of(a="Scale"), blobs)
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_written(tmp_path):
    (tmp_path / "folder").mkdir()
    for name, message in (("no/out", "there is no folder"), ("folder", "cannot write: what stands there is no file")):
        with pytest.raises(FileError, match=message):
            write_caffemodel(tmp_path / name, net_of(a="Scale"), {})


@needs(Path("/dev/full").exists(), "a device that is always full")
def test_full_disk(tmp_path, monkeypatch):
    """The new file is a device that is always full; what was there before stays."""
    path = tmp_path / "out.caffemodel"
    path.write_bytes(b"before")

    @contextmanager
    def full(target):
        yield Path("/dev/full")

    monkeypatch.setattr("caffe2py.proto.disk.files.staged_file", full)
    with pytest.raises(FileError, match="cannot write: no space left"):
        write_caffemodel(path, net_of(a="Scale"), {"a": [np.zeros(1 << 16, "f4")]})
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("out.caffemodel", b"before")]


def as_protobuf_reads(content: bytes):
    for one in NetParameter.FromString(content).layer:
        yield one.name, one.type, [(tuple(blob.shape.dim), np.array(blob.data, "f4").tobytes()) for blob in one.blobs]


def as_read(weights):
    for one in weights.layers:
        yield one.name, one.type, [(blob.data.shape, blob.data.tobytes()) for blob in one.blobs]


@each("net", recorded_nets("mtcnn"), "MTCNN's weights, as Caffe saved them in 2016", ids=lambda net: net.id)
def test_what_caffe_saved_as_protobuf_reads_it(net, tmp_path):
    """Written again, it comes out byte for byte."""
    weights = read_weights(net.weights)
    assert list(as_read(weights)) == list(as_protobuf_reads(net.weights.read_bytes()))
    blobs = {one.name: [blob.data for blob in one.blobs] for one in weights.layers}
    write_caffemodel(tmp_path / "again.caffemodel", weights.net(), blobs)
    assert (tmp_path / "again.caffemodel").read_bytes() == net.weights.read_bytes()


@each("case", cases("layers/*"), "recorded layers", ids=lambda case: case.id)
def test_every_recorded_case_as_protobuf_reads_it(case):
    assert list(as_read(parse_weights(case.caffemodel, case.id))) == list(as_protobuf_reads(case.caffemodel))
