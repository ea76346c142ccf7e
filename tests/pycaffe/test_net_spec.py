"""Nets written in Python. BVLC's test_net_spec.py, in our words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

import caffe2py.pycaffe as caffe
from caffe2py.pycaffe import layers as L
from caffe2py.pycaffe import params as P
from tests.helpers.running import net


def small_net() -> Any:
    n = caffe.NetSpec()
    n.x, n.label = L.DummyData(shape=[{"dim": [2, 1, 8, 8]}, {"dim": [2]}], ntop=2, transform_param={"scale": 0.5})
    n.conv = L.Convolution(n.x, kernel_size=3, num_output=4, weight_filler={"type": "xavier"}, param=[{"lr_mult": 2}])
    n.pool = L.Pooling(n.conv, kernel_size=2, stride=2, pool=P.Pooling.AVE)
    n.fc = L.InnerProduct(n.pool, num_output=3)
    n.relu = L.ReLU(n.fc, in_place=True)
    n.loss = L.SoftmaxWithLoss(n.relu, n.label)
    return n


def test_names_and_fields() -> None:
    made = small_net().to_proto()
    assert [(layer.name, layer.type) for layer in made.layer] == [
        ("x", "DummyData"),
        ("conv", "Convolution"),
        ("pool", "Pooling"),
        ("fc", "InnerProduct"),
        ("relu", "ReLU"),
        ("loss", "SoftmaxWithLoss"),
    ]
    conv, pool, relu = made.layer[1], made.layer[2], made.layer[4]
    assert (conv.convolution_param.num_output, list(conv.convolution_param.kernel_size)) == (4, [3])
    assert (conv.convolution_param.weight_filler.type, conv.param[0].lr_mult) == ("xavier", 2)
    assert pool.pooling_param.pool == caffe.proto.caffe_pb2.PoolingParameter.AVE
    assert list(relu.bottom) == list(relu.top) == ["fc"]
    assert made.layer[0].transform_param.scale == 0.5


def test_what_it_says_is_a_net(tmp_path: Path) -> None:
    made = net(tmp_path, str(small_net().to_proto()))
    assert len(made.layers) == 6 and made.forward()["loss"].shape == ()


def test_tops_without_names_get_their_types_and_numbers() -> None:
    data = L.DummyData(shape={"dim": [2, 6]})
    made = caffe.to_proto(L.Eltwise(*L.Slice(data, ntop=2, slice_point=3)))
    assert [(layer.name, list(layer.top)) for layer in made.layer] == [
        ("DummyData1", ["DummyData1"]),
        ("Slice1", ["Slice1", "Slice2"]),
        ("Eltwise1", ["Eltwise1"]),
    ]


def test_a_layer_without_tops(tmp_path: Path) -> None:
    n = caffe.NetSpec()
    n.a, n.b = L.DummyData(shape={"dim": [3]}, ntop=2)
    n.quiet_a = L.Silence(n.a, ntop=0)
    n["quiet_b"] = L.Silence(n["b"], ntop=0)
    assert net(tmp_path, str(n.to_proto())).forward() == {}


def test_a_bottom_that_is_no_top() -> None:
    with pytest.raises(TypeError, match=r"^Silence input 0 is not a Top \(type is <class 'tuple'>\)$"):
        L.Silence(L.DummyData(ntop=2))


def test_an_unknown_field() -> None:
    with pytest.raises(AttributeError, match="kernel"):
        caffe.to_proto(L.Convolution(kernel=3))


def test_recorded(recorded: Any) -> None:
    """The texts of NetSpec.to_proto and to_proto, as Caffe's Python printed them: the same messages."""
    for word in ("netspec", "anonymous"):
        said = caffe.proto.caffe_pb2.NetParameter()
        text_format.Merge(recorded.attrs[word], said)
        n = {"netspec": _lenet, "anonymous": _sliced}[word]()
        assert n == said


def _lenet() -> Any:
    n = caffe.NetSpec()
    n.data, n.label = L.DummyData(
        shape=[{"dim": [4, 1, 28, 28]}, {"dim": [4]}], transform_param={"scale": 1.0 / 255}, ntop=2
    )
    xavier = {"type": "xavier"}
    n.conv1 = L.Convolution(
        n.data, kernel_size=5, num_output=20, weight_filler=xavier, param=[{"lr_mult": 1}, {"lr_mult": 2}]
    )
    n.pool1 = L.Pooling(n.conv1, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.ip1 = L.InnerProduct(n.pool1, num_output=50, weight_filler=xavier)
    n.relu1 = L.ReLU(n.ip1, in_place=True)
    n.score = L.InnerProduct(n.relu1, num_output=10)
    n.loss = L.SoftmaxWithLoss(n.score, n.label, include={"phase": caffe.TRAIN})
    n.sil = L.Eltwise(n.score, n.score, operation=P.Eltwise.SUM, coeff=[1, -1])
    return n.to_proto()


def _sliced() -> Any:
    return caffe.to_proto(*L.Slice(L.DummyData(shape={"dim": [2, 6, 3]}), ntop=2, slice_point=2, axis=1))
