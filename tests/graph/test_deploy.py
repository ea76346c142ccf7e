"""Training files as nets to run: what goes, what stays, and the size of what comes in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import caffe2py
from caffe2py.graph import Graph
from caffe2py.graph.deploy import reads_data
from caffe2py.proto import parse_net, parse_text
from caffe2py.proto.dialects.encoding import message_of
from caffe2py.proto.weights.caffemodel import write_caffemodel
from caffe2py.proto.weights.read import read_weights
from tests.helpers.nets import command

CROP, NEW, RESIZE = "crop_size: 6", "new_height: 8 new_width: 7", "resize_param { height: 5 width: 4 }"
DATA = 'type: "Data" data_param {{ batch_size: 4 }} transform_param {{ {} }}'
IMAGES = 'type: "ImageData" image_data_param {{ batch_size: 4 {} }}'
CONV = 'type: "Convolution" convolution_param { num_output: 6 kernel_size: 3 }'
TAIL = """layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: 5 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" include { phase: TEST } }"""


def train(data: str, first: str = CONV, tail: str = TAIL) -> str:
    """A net that reads pictures and labels, has one layer on them, and compares its scores with the labels."""
    head = f'layer {{ name: "source" top: "data" top: "label" {data} }}'
    return f'name: "n"\n{head}\nlayer {{ name: "first" bottom: "data" top: "x" {first} }}\n{tail}\n'


def files(tmp_path: Path, text: str, **blobs: tuple[tuple[int, ...], ...]) -> tuple[Path, Path]:
    """The prototxt, and a caffemodel with weights of these shapes."""
    prototxt, caffemodel = tmp_path / "train_val.prototxt", tmp_path / "net.caffemodel"
    prototxt.write_text(text)
    random = np.random.RandomState(1)
    arrays = {name: [random.randn(*s).astype(np.float32) for s in shapes] for name, shapes in blobs.items()}
    write_caffemodel(caffemodel, message_of(parse_net(text)), arrays)
    return prototxt, caffemodel


def names(graph: Graph) -> list[str]:
    return [node.name for node in graph.nodes]


SIZES = {
    "crop_size": (DATA.format(CROP), (4, 3, 6, 6), "6x6 from crop_size of layer source"),
    "crop_size before a resize": (DATA.format(f"{CROP} {RESIZE}"), (4, 3, 6, 6), "6x6 from crop_size"),
    "a fork's crop": (DATA.format("crop_h: 5 crop_w: 9"), (4, 3, 5, 9), "5x9 from crop_h and crop_w"),
    "a fork's resize": (DATA.format(RESIZE), (4, 3, 5, 4), "5x4 from resize_param"),
    "told whole": (DATA.format(f"{CROP} force_color: true"), (4, 3, 6, 6), ""),
    "new_height": (IMAGES.format(NEW), (4, 3, 8, 7), ""),
    "a type that is not known": (
        'type: "AnnotatedData" data_param { batch_size: 4 } transform_param { resize_param { height: 5 width: 4 } }',
        (4, 3, 5, 4),
        "5x4 from resize_param",
    ),
    "a list of images of a fork": (
        'type: "ImageSegData" image_data_param { batch_size: 4 new_height: 8 new_width: 7 }',
        (4, 3, 8, 7),
        "",
    ),
    "pictures of films": (
        'type: "VideoData" video_data_param { batch_size: 4 new_height: 8 new_width: 7 }',
        (4, 3, 8, 7),
        "8x7 from new_height and new_width",
    ),
}


@pytest.mark.parametrize("data, shape, how", SIZES.values(), ids=SIZES)
def test_the_size_of_the_input(tmp_path: Path, data: str, shape: tuple[int, ...], how: str) -> None:
    pixels = (shape[2] - 2) * (shape[3] - 2) * 6
    paths = files(tmp_path, train(data), first=((6, 3, 3, 3), (6,)), ip=((5, pixels), (5,)))
    graph = caffe2py.load(*paths, deploy=True)
    assert graph.inputs == {"data": shape}
    assert names(graph) == ["data", "first", "ip"]
    told = [note for note in graph.notes if note.startswith("input data is")]
    assert len(told) == bool(how)
    assert all(f"3 channels from the weights of first, {how}" in note for note in told)
    assert "left out what only serves training: loss, accuracy" in graph.notes
    assert caffe2py.run(graph, {"data": np.ones(shape, np.float32)})["ip"].shape == (4, 5)
    assert caffe2py.load(paths[1]).inputs == {"data": shape}  # the caffemodel alone


FIRST = {
    "groups": (
        'type: "Convolution" convolution_param { num_output: 6 kernel_size: 3 group: 2 }',
        ((6, 2, 3, 3), (6,)),
        4,
    ),
    "InnerProduct": ('type: "InnerProduct" inner_product_param { num_output: 6 }', ((6, 72), (6,)), 2),
    "transposed": (
        'type: "InnerProduct" inner_product_param { num_output: 6 transpose: true }',
        ((72, 6), (6,)),
        2,
    ),
    "Deconvolution": (
        'type: "Deconvolution" convolution_param { num_output: 6 kernel_size: 3 }',
        ((2, 6, 3, 3), (6,)),
        2,
    ),
    "BatchNorm": ('type: "BatchNorm"', ((5,), (5,), (1,)), 5),
    "Scale": ('type: "Scale"', ((7,),), 7),
}


@pytest.mark.parametrize("first, blobs, channels", FIRST.values(), ids=FIRST)
def test_the_channels_that_the_first_weights_take(
    tmp_path: Path, first: str, blobs: tuple[tuple[int, ...], ...], channels: int
) -> None:
    """Behind layers without weights, too."""
    power = 'layer { name: "shift" type: "Power" bottom: "data" top: "shifted" power_param { shift: -1 } }\n'
    text = train(DATA.format(CROP), first, "").replace('layer { name: "first"', f'{power}layer {{ name: "first"')
    text = text.replace('"first" bottom: "data"', '"first" bottom: "shifted"')
    graph = caffe2py.load(*files(tmp_path, text, first=blobs), deploy=True)
    assert graph.inputs == {"data": (4, channels, 6, 6)}


def test_without_weights_the_size_must_be_given(tmp_path: Path) -> None:
    path, _ = files(tmp_path, train(DATA.format(CROP)))
    assert caffe2py.load(path, deploy=True).inputs == {"data": None}
    graph = caffe2py.load(path, deploy=True, inputs={"data": (1, 3, 6, 6)})
    assert names(graph) == ["data", "first", "ip"] and graph.inputs == {"data": (1, 3, 6, 6)}


OTHERS = """layer { name: "mbox_loss" type: "MultiBoxLoss" bottom: "ip" bottom: "label" top: "mbox_loss" }
layer { name: "eval" type: "DetectionEvaluate" bottom: "ip" bottom: "label" top: "eval" }
layer { name: "seg" type: "SegAccuracy" bottom: "ip" bottom: "label" top: "seg" }
layer { name: "l1" type: "Reduction" bottom: "ip" top: "l1" loss_weight: 0.1 }
layer { name: "shifted" type: "Power" bottom: "label" top: "shifted" power_param { shift: 1 } }
layer { name: "other" type: "EuclideanLoss" bottom: "ip" bottom: "shifted" top: "other" }
layer { name: "silence" type: "Silence" bottom: "shifted" }"""


def test_what_only_training_and_evaluation_need_goes(tmp_path: Path) -> None:
    paths = files(
        tmp_path, train(DATA.format(CROP), tail=f"{TAIL}\n{OTHERS}"), first=((6, 3, 3, 3), (6,)), ip=((5, 96), (5,))
    )
    graph = caffe2py.load(*paths, deploy=True)
    assert (names(graph), graph.outputs) == (["data", "first", "ip"], ("ip",))


MARGIN = """layer { name: "fc6" type: "MarginInnerProduct" bottom: "ip" bottom: "label" top: "fc6" top: "lambda" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc6" bottom: "label" top: "loss" }
layer { name: "center" type: "CenterLoss" bottom: "ip" bottom: "label" top: "center" loss_weight: 0.008 }"""


def test_scores_that_are_for_training_alone_go(tmp_path: Path) -> None:
    """SphereFace's, and centers, which have weights."""
    tail = f"{TAIL.splitlines()[0]}\n{MARGIN}"
    shapes = {"first": ((6, 3, 3, 3), (6,)), "ip": ((5, 96), (5,)), "fc6": ((4, 5),), "center": ((4, 5),)}
    graph = caffe2py.load(*files(tmp_path, train(DATA.format(CROP), tail=tail), **shapes), deploy=True)
    assert (names(graph), graph.outputs) == (["data", "first", "ip"], ("ip",))


def test_training_keeps_all(tmp_path: Path) -> None:
    paths = files(tmp_path, train(DATA.format(CROP)), first=((6, 3, 3, 3), (6,)), ip=((5, 96), (5,)))
    for graph in (caffe2py.load(*paths, deploy=True, phase="TRAIN"), caffe2py.load(*paths, phase="TRAIN")):
        assert names(graph) == ["source", "first", "ip", "loss"]
        assert graph.inputs == {"data": (4, 3, 6, 6), "label": (4,)}  # also here the weights tell the channels
    assert names(caffe2py.load(*paths))[-2:] == ["loss", "accuracy"]


def test_a_source_of_the_other_phase_tells_the_size(tmp_path: Path) -> None:
    text = train(f"{DATA.format(CROP)} include {{ phase: TRAIN }}")
    paths = files(tmp_path, text, first=((6, 3, 3, 3), (6,)), ip=((5, 96), (5,)))
    assert caffe2py.load(*paths, deploy=True).inputs == {"data": (4, 3, 6, 6)}


def test_a_deploy_file_stays_as_it_is(tmp_path: Path) -> None:
    text = train('type: "Input" input_param { shape { dim: [4, 3, 6, 6] } shape { dim: 4 } }')
    assert not reads_data(parse_net(text))
    paths = files(tmp_path, text, first=((6, 3, 3, 3), (6,)), ip=((5, 96), (5,)))
    assert names(caffe2py.load(*paths, deploy=True)) == ["source", "first", "ip", "loss", "accuracy"]


@pytest.mark.parametrize("suffix, whole", [("onnx", False), ("py", False), ("caffemodel", True), ("safetensors", True)])
def test_convert(tmp_path: Path, suffix: str, whole: bool) -> None:
    paths = files(tmp_path, train(DATA.format(CROP)), first=((6, 3, 3, 3), (6,)), ip=((5, 96), (5,)))
    out = tmp_path / f"deployed.{suffix}"
    done = command("convert", *paths, "-o", out, "--json")
    assert done.status == 0, done.err
    assert "3 channels from the weights of first, 6x6 from crop_size of layer source" in done.out
    assert ("left out what only serves training: loss, accuracy" in done.out) is not whole
    if suffix == "caffemodel":
        layers = [layer.name for layer in read_weights(out).layers]
        assert layers == ["source", "first", "ip", "loss", "accuracy"]
    if suffix == "onnx":
        import onnx

        model = onnx.load(out)
        assert [value.name for value in model.graph.input] == ["data"]
        assert [value.name for value in model.graph.output] == ["ip"]


def test_the_text_that_is_kept_is_the_one_that_was_given(tmp_path: Path) -> None:
    """What the data layer did to pictures stays known to whoever classifies with the deployed net."""
    data = DATA.format(f"{CROP} mean_value: [1, 2, 3] scale: 0.5")
    paths = files(tmp_path, train(data), first=((6, 3, 3, 3), (6,)), ip=((5, 96), (5,)))
    graph = caffe2py.load(*paths, deploy=True)
    assert graph.net is not None and parse_text(graph.net.text).message == parse_text(paths[0].read_text()).message
