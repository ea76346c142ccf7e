"""Pictures and messages. BVLC's test_io.py in our words, and what Caffe's io made of recorded arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import caffe2py.pycaffe as caffe
from caffe2py.errors import FileError

CLOSE = {"rtol": 0, "atol": 1e-5}  # of values from 0 to 255: pycaffe computed in float32, we in part in float64


def blob(**fields: Any) -> Any:
    made = caffe.proto.caffe_pb2.BlobProto()
    made.data.extend(range(24))
    for word, value in fields.items():
        if word == "shape":
            made.shape.dim.extend(value)
        else:
            setattr(made, word, value)
    return made


def test_blobproto_to_array() -> None:
    assert caffe.io.blobproto_to_array(blob(num=1, channels=2, height=3, width=4)).shape == (1, 2, 3, 4)
    assert caffe.io.blobproto_to_array(blob(shape=[2, 12])).shape == (2, 12)
    with pytest.raises(ValueError, match="reshape"):
        caffe.io.blobproto_to_array(blob())


def test_blobproto_of_one_number() -> None:
    made = caffe.io.array_to_blobproto(np.float32(7) * np.ones(()), diff=np.ones(()))
    assert caffe.io.blobproto_to_array(made) == 7
    assert caffe.io.blobproto_to_array(made, return_diff=True) == 1


def test_arrays_to_text_and_back() -> None:
    arrays = [np.arange(6.0).reshape(2, 3), np.ones((1, 2, 2))]
    text = caffe.io.arraylist_to_blobprotovector_str(arrays)
    for ours, given in zip(caffe.io.blobprotovector_str_to_arraylist(text), arrays, strict=True):
        np.testing.assert_array_equal(ours, given)


def test_a_label_takes_room_only_where_it_is_given() -> None:
    with_label, without = (caffe.io.array_to_datum(np.ones((3, 2, 2)), label) for label in (0, None))
    assert len(with_label.SerializeToString()) > len(without.SerializeToString())


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_datum_and_back(dtype: type) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    np.testing.assert_array_equal(caffe.io.datum_to_array(caffe.io.array_to_datum(array)), array)
    with pytest.raises(ValueError, match="Incorrect array shape"):
        caffe.io.array_to_datum(array[0])


@pytest.mark.parametrize("name", ["24x24", "37x53", "64x40", "constant_4x5", "five_9x20", "gray_15x9"])
def test_resize_image(recorded: h5py.File, name: str) -> None:
    kind, _, sizes = name.rpartition("_")
    height, width = map(int, sizes.split("x"))
    expected = recorded[f"resize_image/{name}"][()]
    source = np.full((7, 9, 3), expected.flat[0]) if kind == "constant" else recorded[kind or "image"][()]
    found = caffe.io.resize_image(source, (height, width))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, **CLOSE)


def test_oversample(recorded: h5py.File) -> None:
    found = caffe.io.oversample(recorded["oversample/in"][()], (24, 20))
    np.testing.assert_array_equal(found, recorded["oversample/out"][()])


def test_messages_are_caffes_own_bytes(recorded: h5py.File) -> None:
    datum = caffe.io.array_to_datum(recorded["datum_array"][()], label=7)
    theirs = caffe.proto.caffe_pb2.Datum.FromString(bytes(recorded["datum"][()]))
    assert datum.data == theirs.data
    assert caffe.io.datum_to_array(theirs).shape == recorded["datum_array"].shape
    stored = caffe.proto.caffe_pb2.BlobProto.FromString(bytes(recorded["blobproto"][()]))
    assert caffe.io.array_to_blobproto(caffe.io.blobproto_to_array(stored)).data == stored.data


TRANSFORMERS = {"a mean for each channel": "transformer", "a whole mean": "transformer2"}


@pytest.mark.parametrize("group", TRANSFORMERS.values(), ids=TRANSFORMERS)
def test_transformer(recorded: h5py.File, group: str) -> None:
    image = recorded["image"][()]
    made = caffe.io.Transformer({"data": (1, 3, 24, 24)})
    made.set_transpose("data", (2, 0, 1))
    if group == "transformer":
        made.set_channel_swap("data", (2, 1, 0))
        made.set_raw_scale("data", 255)
        made.set_mean("data", np.array([104.0, 117.0, 123.0]))
        made.set_input_scale("data", 0.017)
    else:
        made.set_mean("data", recorded[f"{group}/mean"][()])
    before = image.copy()
    found = made.preprocess("data", image)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_allclose(found, recorded[f"{group}/preprocess"][()], **CLOSE)
    if f"{group}/deprocess" in recorded:
        np.testing.assert_allclose(made.deprocess("data", found), recorded[f"{group}/deprocess"][()], **CLOSE)


WRONG = {
    "an unknown input": (lambda t: t.set_raw_scale("x", 1), "x is not one of the net inputs"),
    "an order of two": (lambda t: t.set_transpose("data", (1, 0)), "Transpose order needs to have the same number"),
    "two channels": (lambda t: t.set_channel_swap("data", (1, 0)), "Channel swap needs to have the same number"),
    "a mean of two channels": (lambda t: t.set_mean("data", np.ones(2)), "Mean channels incompatible with input"),
    "a mean of four axes": (lambda t: t.set_mean("data", np.ones((1, 3, 5, 5))), "Mean shape invalid"),
}


@pytest.mark.parametrize(("call", "fact"), WRONG.values(), ids=WRONG)
def test_transformer_refuses(call: Any, fact: str) -> None:
    with pytest.raises(Exception, match=fact):
        call(caffe.io.Transformer({"data": (1, 3, 5, 4)}))


def test_load_image(tmp_path: Path) -> None:
    from PIL import Image

    rgba = np.zeros((4, 5, 4), np.uint8)
    rgba[..., 0], rgba[..., 3] = 255, 128
    for mode in ("RGBA", "RGB", "L", "P", "I;16"):
        path = tmp_path / f"{mode.replace(';', '')}.png"
        image = Image.fromarray(rgba)
        (Image.new("I;16", (5, 4), 65535) if mode == "I;16" else image.convert(mode)).save(path)
        for color, channels in ((True, 3), (False, 1)):
            found = caffe.io.load_image(path, color)
            assert (found.shape, found.dtype) == ((4, 5, channels), np.float32)
            assert found.min() >= 0 and 0.2 < found.max() <= 1
    (tmp_path / "no.png").write_text("no picture")
    with pytest.raises(FileError, match="not a picture"):
        caffe.io.load_image(tmp_path / "no.png")
    with pytest.raises(FileNotFoundError):
        caffe.io.load_image(tmp_path / "none.png")
