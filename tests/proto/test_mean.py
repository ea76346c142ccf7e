"""Mean images in both formats."""

from __future__ import annotations

import io

import numpy as np
import pytest

from caffe2py.errors import CaffeError, CaffemodelError, FileError
from caffe2py.proto.schema import BlobProto
from caffe2py.proto.weights.mean import read_mean, write_mean
from tests.helpers.encode import legacy, packed, shape

VALUES = np.arange(3 * 5 * 7, dtype="f4").reshape(3, 5, 7) / 4


def npy(array) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def lying_npy() -> bytes:
    """A header that declares 6 TB."""
    return npy(VALUES).replace(b"(3, 5, 7), }" + b" " * 10, b"(3, 999999, 999999), }")


MEANS = {
    "legacy": (legacy(1, 3, 5, 7) + packed(5, list(VALUES.flat)), VALUES),
    "four axes": (shape(1, 3, 5, 7) + packed(5, list(VALUES.flat)), VALUES),
    "three axes": (shape(3, 5, 7) + packed(5, list(VALUES.flat)), VALUES),
    "doubles": (shape(3, 5, 7) + packed(8, list(VALUES.flat), "d"), VALUES),
    "npy": (npy(VALUES), VALUES),
    "npy, doubles": (npy(VALUES.astype("f8")), VALUES),
    "npy, big-endian": (npy(VALUES.astype(">f4")), VALUES),
    "npy, Fortran order": (npy(np.asfortranarray(VALUES)), VALUES),
    "npy, beyond float32": (npy(np.full((3, 1, 2), 1e300)), np.full((3, 1, 2), np.inf)),
    "npy, integers": (npy((VALUES * 4).astype("u1")), VALUES * 4),
    "npy, four axes": (npy(VALUES[None]), VALUES),
    "npy, one value a channel": (npy(np.array([104.0, 117.0, 123.0])), np.array([[[104]], [[117]], [[123]]])),
}

BAD = {
    "two means": (legacy(2, 3, 1, 1) + packed(5, [1.0] * 6), CaffemodelError, r"shape \(2, 3, 1, 1\); want \(channels"),
    "two axes": (npy(VALUES[0]), CaffemodelError, r"shape \(5, 7\); want \(channels, height, width\)"),
    "channels last": (npy(np.moveaxis(VALUES, 0, -1)), CaffemodelError, "channels last"),
    "no values": (npy(np.zeros((3, 0, 5), "f4")), CaffemodelError, r"shape \(3, 0, 5\)"),
    "wrong count": (legacy(1, 3, 5, 7) + packed(5, [1.0] * 6), CaffemodelError, "not a mean: .*holds 105 values"),
    "objects": (npy(np.array([{}])), FileError, "damaged .npy"),
    "truth values": (npy(VALUES > 0), CaffemodelError, "an array of bool; want numbers"),
    "strings": (npy(np.array(["x"])), FileError, "holds <U1, not numbers"),
    "terabytes": (lying_npy(), FileError, "damaged .npy"),
    "cut npy": (npy(VALUES)[:-1], FileError, "damaged .npy"),
    "header only": (b"\x93NUMPY\x01\x00", FileError, "damaged .npy"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(20), FileError, "not a mean: it is a PNG"),
    "npz": (b"PK\x03\x04" + bytes(20), FileError, "not a mean: it is a zip"),
}


@pytest.mark.parametrize("content, mean", MEANS.values(), ids=MEANS)
def test_read(tmp_path, content, mean):
    path = tmp_path / "mean"
    path.write_bytes(content)
    got = read_mean(path)
    assert (got.dtype, got.shape) == (np.float32, mean.shape)
    assert got.flags.c_contiguous and got.flags.aligned and got.flags.owndata
    np.testing.assert_array_equal(got, mean)


@pytest.mark.parametrize("content, kind, message", BAD.values(), ids=BAD)
def test_bad(tmp_path, content, kind, message):
    path = tmp_path / "mean.file"
    path.write_bytes(content)
    with pytest.raises(kind, match=f"mean.file: .*{message}"):
        read_mean(path)


def test_cut_anywhere(tmp_path):
    path = tmp_path / "mean.file"
    for whole in (MEANS["legacy"][0], MEANS["npy"][0]):
        for cut in range(len(whole)):
            path.write_bytes(whole[:cut])
            with pytest.raises(CaffeError):
                read_mean(path)


def test_no_file(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        read_mean(tmp_path / "mean.binaryproto")


@pytest.mark.parametrize("name", ["mean.npy", "mean.binaryproto"])
def test_write_and_read(tmp_path, name):
    write_mean(tmp_path / name, VALUES)
    np.testing.assert_array_equal(read_mean(tmp_path / name), VALUES)
    with pytest.raises(ValueError, match=r"shape \(5, 7\); want \(channels, height, width\)"):
        write_mean(tmp_path / "wrong", VALUES[0])
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_written_as_caffe_writes(tmp_path):
    """compute_image_mean.cpp sets num, channels, height, width and data."""
    write_mean(tmp_path / "mean.binaryproto", VALUES)
    blob = BlobProto.FromString((tmp_path / "mean.binaryproto").read_bytes())
    assert (blob.num, blob.channels, blob.height, blob.width) == (1, 3, 5, 7)
    assert not blob.HasField("shape")
    np.testing.assert_array_equal(blob.data, VALUES.ravel())
