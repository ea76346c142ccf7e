"""One blob in a binary caffemodel: every way that its values and shape are written, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from caffe2py.errors import CaffemodelError, UnsupportedError
from caffe2py.proto.forks import C3D, PLAIN, RAW
from caffe2py.proto.weights.blobs import Blob, encode_blob, parse_blob
from caffe2py.proto.weights.caffemodel import parse_weights
from tests.helpers.encode import integer, layer, legacy, number, packed, shape, tag, text, unpacked

AFTER = layer("after", "Scale", packed(5, [1.0] * 100) + shape(100))  # bytes that a length that lies could take

SIX = [0.5, -1.0, 2.0, 3.25, -4.0, 1e-30]

BLOBS = {
    "packed": (packed(5, SIX) + shape(2, 3), "f4", (2, 3), SIX),
    "shape first": (shape(2, 3) + packed(5, SIX), "f4", (2, 3), SIX),
    "unpacked": (unpacked(5, SIX) + shape(3, 2), "f4", (3, 2), SIX),
    "unpacked, one value": (unpacked(5, SIX[:1]) + shape(1), "f4", (1,), SIX[:1]),
    "several chunks": (packed(5, SIX[:2]) + packed(5, SIX[2:3]) + packed(5, SIX[3:]) + shape(6), "f4", (6,), SIX),
    "chunks and unpacked": (
        packed(5, SIX[:2]) + unpacked(5, SIX[2:5]) + packed(5, SIX[5:]) + shape(6),
        "f4",
        (6,),
        SIX,
    ),
    "unpacked around another field": (unpacked(5, SIX[:4]) + shape(6) + unpacked(5, SIX[4:]), "f4", (6,), SIX),
    "double": (packed(8, SIX, "d") + shape(6), "f8", (6,), SIX),
    "double unpacked": (unpacked(8, SIX, "d") + shape(6), "f8", (6,), SIX),
    "double beats data": (packed(5, [9.0] * 6) + packed(8, SIX, "d") + shape(6), "f8", (6,), SIX),
    "empty double does not": (packed(5, SIX) + packed(8, [], "d") + shape(6), "f4", (6,), SIX),
    "diffs": (packed(5, SIX) + packed(6, [7.0] * 6) + unpacked(9, [7.0] * 5, "d") + shape(6), "f4", (6,), SIX),
    "dims unpacked": (text(7, integer(1, 2) + integer(1, 3)) + packed(5, SIX), "f4", (2, 3), SIX),
    "dims in two shapes": (shape(2) + shape(3) + packed(5, SIX), "f4", (2, 3), SIX),
    "scalar": (packed(5, [2.5]), "f4", (), [2.5]),
    "scalar, empty shape": (shape() + packed(5, [2.5]), "f4", (), [2.5]),
    "no values": (shape(3, 0), "f4", (3, 0), []),
    "32 axes": (shape(*[1] * 32) + packed(5, [2.5]), "f4", (1,) * 32, [2.5]),
    "unknown fields": (
        integer(90, 5) + packed(5, SIX) + tag(91, 3) + text(1, "x") + tag(91, 4) + text(7, integer(2, 9)) + shape(6),
        "f4",
        (6,),
        SIX,
    ),
    "half floats of NVCaffe": (
        integer(10, 2) + text(12, np.float16([1.5, -2]).tobytes()) + shape(2),
        "f4",
        (2,),
        [1.5, -2],
    ),
    "data beats NVCaffe's": (packed(5, SIX) + integer(10, 1) + packed(12, [9.0] * 6) + shape(6), "f4", (6,), SIX),
    "doubles of NVCaffe": (integer(10, 0) + packed(12, SIX, "d") + shape(6), "f8", (6,), SIX),
    "floats of OpenCL": (text(10, integer(1, 1)) + packed(11, SIX) + integer(13, 0) + shape(6), "f4", (6,), SIX),
    "doubles of OpenCL": (packed(11, SIX, "d") + integer(13, 1) + shape(6), "f8", (6,), SIX),
    "half floats of OpenCL": (
        text(11, np.float16([1.5, -2]).tobytes()) + integer(13, 2) + shape(2),
        "f4",
        (2,),
        [1.5, -2],
    ),
}

# C3D v1.0: num, channels, length, height, width; data is 6.
C3D_BLOBS = {
    "five": (legacy(1, 2, 1, 3, 1) + packed(6, SIX) + packed(7, SIX), (1, 2, 1, 3, 1)),
    "a bias": (legacy(1, 1, 1, 1, 6) + packed(6, SIX), (1, 1, 1, 1, 6)),
    "unpacked": (legacy(6, 1, 1, 1, 1) + unpacked(6, SIX), (6, 1, 1, 1, 1)),
}

LEGACY_BLOBS = {
    "four": (legacy(1, 2, 3, 1), (1, 2, 3, 1), SIX),
    "beats shape": (shape(6) + legacy(1, 1, 2, 3), (1, 1, 2, 3), SIX),
    "one missing is 0": (legacy(1, 2, 3), (1, 2, 3, 0), []),
}

BAD_BLOBS = {
    "too few values": (shape(2, 4) + packed(5, SIX), r"shape \(2, 4\) holds 8 values, the file has 6"),
    "too many values": (shape(5) + packed(5, SIX), "holds 5 values, the file has 6"),
    "no shape": (packed(5, SIX), "holds 1 values, the file has 6"),
    "nothing": (b"", "holds 1 values, the file has 0"),
    "33 axes": (shape(*[1] * 33) + packed(5, [1.0]), "more than 32 axes"),
    "negative": (shape(-2, -3) + packed(5, SIX), "negative"),
    "negative legacy": (legacy(-1, 1, 1, -6) + packed(5, SIX), "negative"),
    "two thousand million": (shape(1 << 16, 1 << 15) + packed(5, SIX), "more than 2147483647 values"),
    "terabytes": (shape(1 << 62, 1 << 62) + packed(5, SIX), "more than 2147483647 values"),
    "terabytes beside 0": (shape(1 << 62, 0, 1 << 62), "more than 2147483647 values"),
    "half a value": (shape(1) + text(5, b"12345"), "5 bytes are no whole number of values of 4"),
    "half a double": (shape(1) + text(8, b"12345"), "5 bytes are no whole number of values of 8"),
    "wire type of data": (shape(1) + tag(5, 1) + bytes(8), "field 5 of a blob has wire type 1"),
    "wire type of num": (text(1, "ab") + packed(5, SIX), "field 1 of a blob has wire type 2"),
    "wire type of a dim": (text(7, tag(1, 5) + bytes(4)), "field 1 of a blob's shape has wire type 5"),
    "length of data": (shape(6) + tag(5, 2) + number(24) + bytes(20), "field 5 announces 24 bytes, 20 are left"),
    "length of 2^64": (tag(5, 2) + number(-1), "announces 18446744073709551615 bytes, 0 are left"),
    "cut unpacked": (unpacked(5, SIX)[:-1] + b"", "field 5 has 4 bytes, 3 are left"),
    "long number": (tag(1, 0) + b"\xff" * 10 + b"\x01", "a number of more than 10 bytes"),
    "cut number": (tag(1, 0) + b"\xff" * 3, "ends inside a number"),
    "field 0": (b"\x00\x01", "field number 0"),
    "wire type 7": (b"\x0f", "wire type 7"),
    "group without end": (tag(20, 3), "group 20 does not end"),
    "group without beginning": (tag(20, 4), "group 20 ends without having begun"),
    "group with the end of another": (tag(20, 3) + tag(21, 4), "group 21 ends without having begun"),
    "group with a length that lies": (tag(20, 3) + tag(1, 2) + number(99) + tag(20, 4), "announces 99 bytes"),
    "number cut in a group": (tag(20, 3) + tag(1, 5) + b"12", "field 1 has 4 bytes, 2 are left"),
    "deep groups": (tag(20, 3) * 5000 + tag(20, 4) * 5000, "nested more than 100 deep"),
}


def read(*parts: bytes):
    return parse_weights(b"".join(parts), "net.caffemodel")


@pytest.mark.parametrize("blob, dtype, dims, values", BLOBS.values(), ids=BLOBS)
def test_blob(blob, dtype, dims, values):
    (got,) = read(layer("conv", "Convolution", blob)).layers[0].blobs
    assert (got.data.dtype, got.data.shape, got.legacy) == (np.dtype(dtype), dims, False)
    assert got.data.tobytes() == np.array(values, dtype).tobytes()


@pytest.mark.parametrize("blob, dims, values", LEGACY_BLOBS.values(), ids=LEGACY_BLOBS)
def test_legacy_blob(blob, dims, values):
    (got,) = read(layer("conv", "Convolution", blob + packed(5, values))).layers[0].blobs
    assert (got.data.shape, got.legacy) == (dims, True)
    assert got.data.tobytes() == np.array(values, "f4").tobytes()


@pytest.mark.parametrize("blob, message", BAD_BLOBS.values(), ids=BAD_BLOBS)
def test_bad_blob(blob, message):
    with pytest.raises(CaffemodelError, match=rf'^net.caffemodel: byte \d+: layer 1: "conv", blob 1: .*{message}'):
        read(layer("data", "Input"), layer("conv", "Convolution", packed(5, [1.0]), blob), AFTER)


@pytest.mark.parametrize("blob, dims", C3D_BLOBS.values(), ids=C3D_BLOBS)
def test_blob_of_c3d(blob, dims):
    (got,) = read(layer("conv", "Convolution3D", blob)).layers[0].blobs
    assert (got.data.shape, got.legacy, got.kind) == (dims, True, "c3d")
    assert got.data.tobytes() == np.array(SIX, "f4").tobytes()


@pytest.mark.parametrize(
    "blob, message",
    [
        pytest.param(integer(10, 3) + text(12, b"1234"), "raw_data of type 3", id="NVCaffe integers"),
        pytest.param(
            shape(4) + text(11, b"1234") + integer(13, 3), "packed_data of type 3, 4 bytes for 4", id="OpenCL"
        ),
        pytest.param(shape(1) + text(11, b"1234") + integer(13, 1), "packed_data of type 1, 4 bytes for 1", id="size"),
    ],
)
def test_blob_of_a_fork_that_is_not_read(blob, message):
    with pytest.raises(UnsupportedError, match=f"^net.caffemodel: byte .*{message}"):
        read(layer("conv", "Convolution", blob))


@pytest.mark.parametrize("kind", [PLAIN, RAW, C3D])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_blob_is_written_as_its_kind(kind, dtype):
    data = np.array(SIX, dtype).reshape(1, 2, 3)
    length, pieces = encode_blob(Blob(data), kind)
    written = b"".join(bytes(piece) for piece in pieces)
    assert len(written) == length
    got = parse_blob(written, 0, length)
    assert got.kind == kind
    assert got.data.shape == ((1, 1, 1, 2, 3) if kind == C3D else (1, 2, 3))
    assert np.array_equal(got.data.reshape(-1), np.array(SIX, "f4" if kind == C3D else dtype))
