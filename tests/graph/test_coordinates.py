"""Crop without parameters: the offsets that FCN's authors published, and what is left as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import caffe2py
from caffe2py.graph.build import build
from caffe2py.graph.coordinates import aligned
from caffe2py.graph.fillers import fill_weights
from caffe2py.layers.vision.crop import Crop
from caffe2py.proto import parse_net
from caffe2py.proto.text.writer import format_net


def layer(type_: str, name: str, bottoms: str, params: str = "", top: str = "") -> str:
    reads = " ".join(f'bottom: "{b}"' for b in bottoms.split())
    return f'layer {{ type: "{type_}" name: "{name}" {reads} top: "{top or name}" {params} }}\n'


def conv(name: str, bottom: str, kernel: int, pad: int = 0, **more: int) -> str:
    words = " ".join(f"{k}: {v}" for k, v in {"kernel_size": kernel, "pad": pad, **more}.items())
    return layer("Convolution", name, bottom, f"convolution_param {{ num_output: 2 {words} }}")


def up(name: str, bottom: str, kernel: int, stride: int) -> str:
    return layer(
        "Deconvolution", name, bottom, f"convolution_param {{ num_output: 2 kernel_size: {kernel} stride: {stride} }}"
    )


def pool(name: str, bottom: str, kernel: int = 2, stride: int = 2) -> str:
    return layer("Pooling", name, bottom, f"pooling_param {{ kernel_size: {kernel} stride: {stride} }}")


DATA = 'layer { type: "Input" name: "data" top: "data" input_param { shape { dim: 1 dim: 3 dim: 60 dim: 61 } } }\n'


def vgg() -> str:
    """FCN's VGG: the first convolution is padded by 100."""
    text, last = DATA, "data"
    for block, convs in enumerate((2, 2, 3, 3, 3), 1):
        for i in range(1, convs + 1):
            text += conv(f"c{block}_{i}", last, 3, 100 if last == "data" else 1)
            text += layer("ReLU", f"r{block}_{i}", f"c{block}_{i}", top=f"c{block}_{i}")
            last = f"c{block}_{i}"
        text += pool(f"p{block}", last)
        last = f"p{block}"
    return text + conv("fc6", "p5", 7) + conv("score", "fc6", 1)


def alexnet() -> str:
    """FCN's AlexNet."""
    text = DATA + conv("c1", "data", 11, 100, stride=4) + pool("p1", "c1", 3, 2) + layer("LRN", "n1", "p1")
    text += conv("c2", "n1", 5, 2) + pool("p2", "c2", 3, 2) + conv("c3", "p2", 3, 1) + pool("p5", "c3", 3, 2)
    return text + conv("fc6", "p5", 6) + conv("score", "fc6", 1)


FCN32 = vgg() + up("up", "score", 64, 32) + layer("Crop", "out", "up data")
FCN16 = vgg() + up("up2", "score", 4, 2) + conv("score4", "p4", 1) + layer("Crop", "cut4", "score4 up2")
FCN16 += layer("Eltwise", "fuse4", "up2 cut4")
FCN8 = FCN16 + up("up4", "fuse4", 4, 2) + conv("score3", "p3", 1) + layer("Crop", "cut3", "score3 up4")
FCN8 += layer("Eltwise", "fuse3", "up4 cut3") + up("up", "fuse3", 16, 8) + layer("Crop", "out", "up data")
FCN16 += up("up", "fuse4", 32, 16) + layer("Crop", "out", "up data")
HED = DATA + conv("c1", "data", 3, 35) + pool("p1", "c1") + conv("d2", "p1", 1) + up("u2", "d2", 4, 2)
HED += layer("Crop", "crop", "u2 data", top="s2") + conv("d1", "c1", 1) + layer("Crop", "crop", "d1 data", top="s1")

OFFSETS = {
    "FCN-32s": (FCN32, [[19, 19]]),
    "FCN-16s": (FCN16, [[5, 5], [27, 27]]),
    "FCN-8s": (FCN8, [[5, 5], [9, 9], [31, 31]]),
    "FCN-AlexNet": (alexnet() + up("up", "score", 63, 32) + layer("Crop", "out", "up data"), [[18, 18]]),
    "HED": (HED, [[35, 35], [34, 34]]),
    "two directions": (
        DATA
        + conv("c", "data", 0, pad_h=3, pad_w=5, kernel_h=3, kernel_w=1).replace("kernel_size: 0 pad: 0", "")
        + layer("Crop", "out", "c data"),
        [[2, 5]],
    ),
    "dilation": (DATA + conv("c", "data", 3, 7, dilation=2) + layer("Crop", "out", "c data"), [[5, 5]]),
    "a fork's dilation": (DATA + conv("c", "data", 3, 7, hole=2) + layer("Crop", "out", "c data"), [[5, 5]]),
    "nothing in common": (DATA + DATA.replace('"data"', '"other"') + layer("Crop", "out", "data other"), [[]]),
    "other scales": (DATA + conv("c", "data", 3, 1, stride=2) + layer("Crop", "out", "data c"), [[]]),
    "nothing to cut": (DATA + conv("c", "data", 3) + layer("Crop", "out", "data c"), [[1, 1]]),
    "before its beginning": (DATA + conv("c", "data", 3) + layer("Crop", "out", "c data"), [[]]),
    "no way": (DATA + layer("MVN", "m", "data") + layer("Softmax", "s", "m") + layer("Crop", "o", "s data"), [[]]),
    "given": (FCN32.replace('top: "out" ', 'top: "out" crop_param { axis: 2 offset: 4 }'), [[4]]),
    "old": (
        FCN32.replace("layer {", "layers {").replace('"Crop"', "CROP").replace('"Input"', "DUMMY_DATA").replace(
            '"Convolution"', "CONVOLUTION").replace('"ReLU"', "RELU").replace('"Pooling"', "POOLING").replace(
            '"Deconvolution"', "DECONVOLUTION").replace("input_param", "dummy_data_param"),
        [[19, 19]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("text, offsets", OFFSETS.values(), ids=OFFSETS)
def test_offsets(text: str, offsets: list[list[int]]) -> None:
    net = aligned(parse_net(text))
    crops = [each for each in net.layers if each.message.type == "Crop"]
    assert [list(crop.message.crop_param.offset) for crop in crops] == offsets
    told = sum("without crop_param is that of FCN" in note for note in net.notes)
    assert told == sum(bool(each) for each in offsets if text is not OFFSETS["given"][0])


def test_a_cut_is_made_where_it_is_said() -> None:
    """One 1 in the middle stays in the middle: the padded convolution moves it, and the Crop moves it back."""
    text = DATA + conv("c", "data", 1, 4, group=1) + layer("Crop", "out", "c data")
    graph = fill_weights(build(aligned(parse_net(text))), 1)
    image = np.zeros((1, 3, 60, 61), np.float32)
    image[0, :, 20, 33] = 1
    graph.node("c").blobs()[0][:] = 1
    out = caffe2py.run(graph, {"data": image})["out"]
    assert np.argwhere(out[0, 0] == out[0, 0].max()).tolist() == [[20, 33]]


@pytest.mark.parametrize("dialect, offset", [(None, 19), ("hed", 19), ("bvlc", 0)])
def test_whose_crop_it_is(tmp_path: Path, dialect: str | None, offset: int) -> None:
    """The fork's, unless somebody says that the net is Caffe's own; either way that is what is written."""
    prototxt = tmp_path / "net.prototxt"
    prototxt.write_text(FCN32)
    graph = caffe2py.load(prototxt, dialect=dialect)
    (crop,) = (node.layer for node in graph.nodes if node.type == "Crop")
    assert isinstance(crop, Crop) and crop.starts((1, 2, 64, 64)) == [offset] * 2
    assert any("forks, which cut" in note for note in graph.notes) == bool(offset)
    assert graph.net is not None and ("offset: 19" in format_net(graph.net)) == bool(offset)
