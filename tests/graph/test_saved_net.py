"""A caffemodel without its prototxt: the net inside it, without what only training needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import caffe2py
from caffe2py.errors import NetError, UnsupportedError
from caffe2py.graph import Graph
from caffe2py.graph.saved import join_splits
from caffe2py.proto import parse_net, parse_text
from caffe2py.proto.schema import NetParameter
from caffe2py.proto.weights.caffemodel import write_caffemodel
from tests.helpers.absent import each
from tests.helpers.layer_cases import relative
from tests.helpers.nets import SMALL, command, write_net
from tests.helpers.recorded_nets import recorded_nets
from tools.make_caffemodel import make_caffemodel

# As a solver saves it: filtered for TRAIN, with the Splits that Caffe puts in.
TRAINED = """name: "trained"
layer { name: "db" type: "Data" top: "data" top: "label" include { phase: TRAIN } phase: TRAIN
        transform_param { crop_size: 6 mean_value: 1 mean_value: 2 mean_value: 3 } data_param { batch_size: 4 } }
layer { name: "label_db_1_split" type: "Split" bottom: "label" top: "label_db_1_split_0" top: "label_db_1_split_1" phase: TRAIN }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 2 kernel_size: 3 } phase: TRAIN }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" phase: TRAIN }
layer { name: "conv_relu_0_split" type: "Split" bottom: "conv" top: "conv_relu_0_split_0" top: "conv_relu_0_split_1" phase: TRAIN }
layer { name: "drop" type: "Dropout" bottom: "conv_relu_0_split_0" top: "drop" phase: TRAIN }
layer { name: "ip" type: "InnerProduct" bottom: "drop" top: "ip" inner_product_param { num_output: 5 } phase: TRAIN }
layer { name: "ip_ip_0_split" type: "Split" bottom: "ip" top: "ip_ip_0_split_0" top: "ip_ip_0_split_1" phase: TRAIN }
layer { name: "other" type: "Power" bottom: "conv_relu_0_split_1" top: "other" phase: TRAIN }
layer { name: "shifted" type: "Power" bottom: "label_db_1_split_1" top: "shifted" power_param { shift: 1 } phase: TRAIN }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip_ip_0_split_0" bottom: "label_db_1_split_0" top: "loss" phase: TRAIN }
layer { name: "accuracy" type: "Accuracy" bottom: "ip_ip_0_split_1" bottom: "shifted" top: "accuracy" phase: TRAIN }
"""  # noqa: E501 - one layer a line


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    random = np.random.RandomState(3)
    blobs = {"conv": [random.randn(2, 3, 3, 3), random.randn(2)], "ip": [random.randn(5, 32), random.randn(5)]}
    net = parse_net(TRAINED)
    message = NetParameter(name=net.name)
    message.layer.extend(n.message for n in net.layers)
    path = tmp_path / "trained.caffemodel"
    write_caffemodel(path, message, {k: [b.astype(np.float32) for b in v] for k, v in blobs.items()})
    return path


def names(graph: Graph) -> list[str]:
    return [n.name for n in graph.nodes]


def test_what_serves_training_is_left_out(trained: Path) -> None:
    graph = caffe2py.load(trained)
    assert names(graph) == ["data", "conv", "relu", "drop", "ip", "other"]
    assert graph.inputs == {"data": (4, 3, 6, 6)}
    assert graph.outputs == ("ip", "other")
    assert graph.node("drop").bottoms == graph.node("other").bottoms == graph.node("relu").tops
    assert any("shifted, loss, accuracy" in note for note in graph.notes)
    values = caffe2py.run(graph, {"data": np.ones((4, 3, 6, 6))})
    assert values["ip"].shape == (4, 5) and values["ip"].any()


def test_training_keeps_its_losses(trained: Path) -> None:
    graph = caffe2py.load(trained, phase="TRAIN")
    assert names(graph)[-2:] == ["loss", "accuracy"]
    assert graph.inputs == {"data": (4, 3, 6, 6), "label": (4,)}


def test_the_size_of_an_input_may_be_given(trained: Path, tmp_path: Path) -> None:
    assert caffe2py.load(trained, inputs={"data": (1, 3, 6, 6)}).inputs == {"data": (1, 3, 6, 6)}
    done = command("convert", trained, "--input", "data=1,3,6,6", "-o", tmp_path / "net.py")
    assert done.status == 0, done.err
    assert "data (1, 3, 6, 6)" in (tmp_path / "net.py").read_text()


def test_a_deploy_net_comes_back_whole(tmp_path: Path) -> None:
    prototxt, caffemodel = write_net(tmp_path)
    ours, theirs = caffe2py.load(caffemodel), caffe2py.load(prototxt, caffemodel)
    assert str(ours) == str(theirs)
    x = np.random.RandomState(1).randn(2, 3, 9, 7)
    a, b = caffe2py.run(ours, {"data": x}), caffe2py.run(theirs, {"data": x})
    assert a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


def test_hdf5_holds_no_net(tmp_path: Path) -> None:
    prototxt, caffemodel = write_net(tmp_path, SMALL)
    caffe2py.convert(
        caffe2py.load(prototxt, caffemodel), tmp_path / "net.caffemodel.h5", even_if_caffe_cannot_read_it=True
    )
    with pytest.raises(UnsupportedError, match="HDF5 weights hold no net; give the prototxt too"):
        caffe2py.load(tmp_path / "net.caffemodel.h5")
    again = caffe2py.load(prototxt, tmp_path / "net.caffemodel.h5")
    assert again.parameter_count() == caffe2py.load(prototxt, caffemodel).parameter_count()


def test_bare_weights_hold_no_net(tmp_path: Path) -> None:
    """A file with names, types and blobs alone: what reads what is not in it."""
    file = tmp_path / "bare.caffemodel"
    blob = {"shape": [2, 3], "low": 0.0, "high": 1.0}
    layer = {"name": "fc", "type": "InnerProduct", "blobs": [blob]}
    make_caffemodel({"seed": 1, "net": "bare", "layers": [layer]}, file)
    done = command("convert", file, "-o", tmp_path / "net.safetensors")
    assert done.status == 1 and "bare.caffemodel: holds weights, and does not say" in done.err, done


def test_a_split_of_the_net_s_own_stays() -> None:
    net = parse_net('layer { name: "s" type: "Split" bottom: "x" top: "a" top: "b" }')
    assert join_splits(net.layers) == list(net.layers)


@each("net", recorded_nets("mtcnn"), "MTCNN's weights", ids=lambda net: net.id)
def test_mtcnn_without_its_prototxt(net) -> None:  # type: ignore[no-untyped-def]
    """Caffe saved these while they were trained; the deploy net adds nothing but a Softmax."""
    theirs = caffe2py.load(net.prototxt, net.weights)
    with pytest.raises(NetError, match="give it with --input"):
        caffe2py.to_torch(caffe2py.load(net.weights))
    (blob,) = caffe2py.load(net.weights).inputs
    ours = caffe2py.load(net.weights, inputs={blob: theirs.inputs["data"]})
    (x,) = net.inputs().values()
    a = caffe2py.run(ours, {blob: x}, record="blobs")
    b = caffe2py.run(theirs, {"data": x}, record="blobs")
    deployed = {v.blob for n in theirs.nodes if n.type not in ("Input", "Softmax") for v in n.tops}
    assert all(relative(a[k], b[k]) == 0 for k in deployed)


OF_A_FORK = """
layer { name: "data" type: "TheirData" top: "data" top: "boxes" }
layer { name: "scale" type: "Scale" bottom: "data" top: "scale" }
layer { name: "prior" type: "TheirBoxes" bottom: "scale" bottom: "data" top: "prior" }
layer { name: "box_loss" type: "TheirLoss" bottom: "scale" bottom: "prior" bottom: "boxes" top: "box_loss" }
"""


def test_unknown_types_that_only_serve_training_go_too(tmp_path: Path) -> None:
    message = parse_text(OF_A_FORK).message
    write_caffemodel(tmp_path / "net.caffemodel", message, {"scale": [np.ones(3, np.float32)]})
    graph = caffe2py.load(tmp_path / "net.caffemodel", inputs={"data": (1, 3, 4, 4)})
    assert names(graph) == ["data", "scale", "prior"]
    assert list(graph.inputs) == ["data"] and graph.outputs == ("prior",)


OF_2014 = """name: "old" input: "unused"
layers { name: "data" type: DATA top: "data" top: "label" include { phase: TRAIN } data_param { batch_size: 4 crop_size: 6 } }
layers { name: "ip" type: INNER_PRODUCT bottom: "data" top: "ip" blobs_lr: 1 inner_product_param { num_output: 2 bias_term: false } }
layers { name: "relu" type: RELU bottom: "ip" top: "ip" }
layers { name: "loss" type: SOFTMAX_LOSS bottom: "ip" bottom: "label" }
"""  # noqa: E501 - one layer a line


def test_a_caffemodel_of_2014(tmp_path: Path) -> None:
    """A V1 net as a solver saved it: a legacy blob, a data layer that tells no channels, an input without a size."""
    message = parse_text(OF_2014).message
    blob = message.layers[1].blobs.add(num=1, channels=1, height=2, width=12)
    blob.data.extend(range(24))
    path = tmp_path / "old.caffemodel"
    path.write_bytes(message.SerializeToString())
    assert caffe2py.load(path).inputs == {"data": None}
    graph = caffe2py.load(path, inputs={"data": (1, 3, 2, 2)})
    assert [n.type for n in graph.nodes] == ["Input", "InnerProduct", "ReLU"]
    x = np.arange(12.0).reshape(1, 3, 2, 2)
    want = np.arange(24.0).reshape(2, 12) @ x.reshape(12)
    assert caffe2py.run(graph, {"data": x})["ip"].tolist() == [want.tolist()]
