"""ONNX models as Caffe nets: every operator against onnxruntime, in the layers of each Caffe that must read it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest

import caffe2py
from caffe2py.errors import CaffeError, FileError, NetError, UnsupportedError
from caffe2py.frontends.caffe.targets import target
from caffe2py.frontends.onnx.translate import load_onnx
from caffe2py.frontends.senets.architectures import NETS
from caffe2py.frontends.senets.text import build
from caffe2py.proto.net import parse_net
from caffe2py.proto.schema import is_own_type
from caffe2py.proto.text.writer import format_net
from tests.helpers.absent import each, some_long
from tests.helpers.layer_cases import Case, cases, relative
from tests.helpers.nets import command, graph_of, steady
from tests.helpers.onnx_models import differences, model, node, saved, weights
from tests.helpers.reference import found
from tests.helpers.tables.onnx_operators import REFUSED, SAID, SE, path_of

# Both sides add in float32, in other orders.
ROUNDING = 2e-6
NEWER = {"Clip", "Swish"}  # than the release of 2017


@pytest.mark.parametrize("name", ["bvlc", "bvlc-2017"])
@pytest.mark.parametrize("case", SAID)
def test_operators_are_said_exactly(case: str, name: str, tmp_path: Path) -> None:
    said = SAID[case]
    graph, found = differences(path_of(said, tmp_path), said.low, target=name)
    assert max(found.values()) <= ROUNDING, found
    types = [n.type for n in graph.nodes if n.type != "Input"]
    assert graph.net is not None
    if name == "bvlc":
        assert not said.layers or sorted(types) == sorted(said.layers.split())
    else:
        assert not NEWER & set(types)
        assert "round_mode" not in format_net(graph.net)
    read = parse_net(format_net(graph.net))
    assert not read.unknown and not read.notes and read.dialects == ("bvlc",)
    assert all(is_own_type(layer.message.type) and not layer.unknown for layer in read.layers)


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_layer_says_is_listed(case: str, tmp_path: Path) -> None:
    said, words = REFUSED[case]
    with pytest.raises(UnsupportedError) as error:
        load_onnx(path_of(said, tmp_path))
    assert [w for w in words if w not in str(error.value)] == []


BACK = [c for c in cases("layers/*") if c.id != "BatchNorm-train"]  # which no model says


@each("case", BACK[::3], "recorded layers", ids=lambda case: case.id)
def test_what_was_written_comes_back(case: Case, tmp_path: Path) -> None:
    """Prototxt to ONNX to prototxt: the outputs are still those that Caffe recorded."""
    onnx.save(caffe2py.to_onnx(case.graph()), tmp_path / "net.onnx")
    try:
        graph = load_onnx(tmp_path / "net.onnx", inputs={k: v.shape for k, v in case.inputs.items()})
    except NetError:  # inputs that the net does not use are not in the model
        graph = load_onnx(tmp_path / "net.onnx")
    ours = caffe2py.run(graph, {k: v for k, v in case.inputs.items() if k in graph.inputs})
    errors = {k: relative(ours[k], case.tops[k]) for k in case.graph().outputs}
    assert max(errors.values()) <= 1e-5, errors


ZOO = [p for p in found("zoo/*.prototxt") if p.stem not in ("fast_rcnn_caffenet_compressed", "mobilenet_ssd_voc")]
SMALL = [p for p in ZOO if p.stem in ("cifar10_full", "v0_lenet_deploy_2014")]


@each("path", some_long(ZOO, SMALL), "prototxts of well-known nets", ids=lambda path: path.stem)
def test_well_known_nets_come_back(path: Path, tmp_path: Path) -> None:
    """All but the two whose boxes no layer of Caffe's own finds."""
    graph = steady(caffe2py.load(path))
    onnx.save(caffe2py.to_onnx(graph), tmp_path / "net.onnx")
    again = load_onnx(tmp_path / "net.onnx", inputs={k: s for k, s in graph.inputs.items() if s})
    x = {k: weights(*s) for k, s in graph.inputs.items() if s}
    ours, theirs = caffe2py.run(again, x), caffe2py.run(graph, x)
    assert all(top.std() > 0 for top in theirs.values())
    assert ours.keys() == theirs.keys() and max(relative(ours[k], theirs[k]) for k in theirs) <= 1e-5


@pytest.mark.long
@each("path", found("zoo/fast_rcnn_*.prototxt"), "Fast R-CNN's prototxt", ids=lambda path: path.stem)
def test_a_net_of_regions_comes_back(path: Path, tmp_path: Path) -> None:
    """In the dialect that has the layer of regions: the same values."""
    graph = steady(caffe2py.load(path, dialect="faster_rcnn"))
    onnx.save(caffe2py.to_onnx(graph), tmp_path / "net.onnx")
    again = load_onnx(tmp_path / "net.onnx", inputs=graph.inputs, target=target(dialect="faster_rcnn"))
    assert "ROIPooling" in [n.type for n in again.nodes] and again.dialects == ("faster_rcnn",)
    x = {"data": weights(*graph.inputs["data"]), "rois": np.array([[0, 20, 30, 180, 200]], np.float32)}
    ours, theirs = caffe2py.run(again, x), caffe2py.run(graph, x)
    assert all(top.std() > 0 for top in theirs.values())
    assert ours.keys() == theirs.keys() and max(relative(ours[k], theirs[k]) for k in theirs) <= 1e-5


@pytest.mark.parametrize("net", some_long(NETS, ("SE-ResNet-50", "SE-BN-Inception")))
def test_the_release_comes_back(net: str, tmp_path: Path) -> None:
    """Prototxt to ONNX to prototxt, of the seven SENets: the same values, but for the order of what is added."""
    axpy = net != "SE-BN-Inception"
    graph = graph_of(build(net, width=Fraction(1, 16), input_size=64), weights=True)
    onnx.save(caffe2py.to_onnx(graph, axpy="function"), tmp_path / "net.onnx")
    again = load_onnx(tmp_path / "net.onnx", axpy=axpy)
    gated = sum(n.type == "Axpy" for n in graph.nodes)
    assert sum(n.type == "Axpy" for n in again.nodes) == (gated if axpy else 0)
    x = weights(1, 3, 64, 64)
    ours, theirs = (caffe2py.run(g, {"data": x}, dtype="float64")["prob"] for g in (again, graph))
    assert relative(ours, theirs) <= 1e-9


def test_an_axpy_where_it_is_wanted(tmp_path: Path) -> None:
    made = model(SE, {"x": (2, 4, 9, 8)}, {"w": weights(4, 4, 1, 1), "b": weights(4)})
    graph, found = differences(saved(made, tmp_path), axpy=True)
    assert [n.type for n in graph.nodes if n.type not in ("Input",)] == ["Pooling", "Convolution", "Sigmoid", "Axpy"]
    assert max(found.values()) <= ROUNDING


def test_a_forks_layer_with_its_dialect_only(tmp_path: Path) -> None:
    path = path_of(SAID["transpose"], tmp_path)
    graph, found = differences(path, dialect="ssd")
    assert [n.type for n in graph.nodes] == ["Input", "Permute"] and graph.dialects == ("ssd",)
    assert max(found.values()) == 0
    assert "Permute" not in [n.type for n in differences(path, target="ssd")[0].nodes]


def test_weights_of_other_files(tmp_path: Path) -> None:
    made = model([node("Conv", "x w")], {"x": (1, 4, 9, 8)}, {"w": weights(8, 4, 9, 8)})
    onnx.save(made, tmp_path / "net.onnx", save_as_external_data=True, location="net.bin", size_threshold=0)
    assert max(differences(tmp_path / "net.onnx")[1].values()) <= ROUNDING
    (tmp_path / "net.bin").write_bytes(b"1234")
    with pytest.raises(FileError, match=r"net\.bin: tensor"):
        load_onnx(tmp_path / "net.onnx")


def test_a_functions_body_stands_in_its_place(tmp_path: Path) -> None:
    made = model([node("Relu", "x", "a")], {"x": (2, 3)}, outputs="a")
    body = onnx.helper.make_function(
        "own", "Twice", ["i"], ["o"], [node("Add", "i i", "o")], [onnx.helper.make_opsetid("", 17)]
    )
    made.functions.append(body)
    made.opset_import.append(onnx.helper.make_opsetid("own", 1))
    made.graph.node.append(onnx.helper.make_node("Twice", ["a"], ["y"], domain="own"))
    made.graph.output[0].name = "y"
    assert max(differences(saved(made, tmp_path))[1].values()) <= ROUNDING


FREE = {
    "the batch": (["n", 3, 4, 4], {}, None),
    "a size": ([1, 3, "h", 4], {}, "x=..."),
    "a size, told": (["n", 3, "h", 4], {"x": (2, 3, 5, 4)}, None),
    "a name": ([1, 3, 4, 4], {"z": (1,)}, 'no input "z"'),
}


@pytest.mark.parametrize("case", FREE)
def test_free_sizes_are_told(case: str, tmp_path: Path) -> None:
    shape, told, wrong = FREE[case]
    path = saved(model([node("Relu", "x")], {"x": shape}), tmp_path)
    if wrong is None:
        assert load_onnx(path, inputs=told).inputs["x"] == told.get("x", (1, 3, 4, 4))
        return
    with pytest.raises(CaffeError, match=wrong):
        load_onnx(path, inputs=told)


def test_an_opset_of_old(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="opset 6"):
        load_onnx(saved(model([node("Relu", "x")], {"x": (1,)}, opset=6), tmp_path))


BROKEN = {"empty": b"", "no model": b"not a model at all", "no graph": b"\x08\x08", "cut": None}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_model_is_told(case: str, tmp_path: Path) -> None:
    path = saved(model([node("Conv", "x w")], {"x": (1, 4, 9, 8)}, {"w": weights(8, 4, 3, 3)}), tmp_path)
    path.write_bytes(BROKEN[case] if BROKEN[case] is not None else path.read_bytes()[:-200])
    with pytest.raises(FileError, match=r"net\.onnx"):
        load_onnx(path)


def test_the_command_writes_both_files_and_checks_them(tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x w", "a"),
        node("MaxPool", "a", "b", kernel_shape=[2, 2], strides=[2, 2]),
        node("Relu", "b"),
    ]
    path = saved(model(nodes, {"x": ("n", 4, 10, 10)}, {"w": weights(8, 4, 2, 2)}), tmp_path)
    out = tmp_path / "out.prototxt"
    done = command("convert", path, "-o", out, "--target", "bvlc-2017")
    assert (done.status, done.err) == (0, "")
    assert "out.caffemodel" in done.out and "onnxruntime differs" in done.out
    text = out.read_text()
    assert text.startswith("# Written by caffe2py") and "round_mode" not in text
    assert not any(layer.unknown for layer in parse_net(text).layers)
    graph = caffe2py.load(out, tmp_path / "out.caffemodel")
    x = weights(1, 4, 10, 10)
    assert np.array_equal(caffe2py.run(graph, {"x": x})["y"], caffe2py.run(load_onnx(path), {"x": x})["y"])
    dump, again = tmp_path / "dump.npz", tmp_path / "again.prototxt"
    lines = [["show", path], ["record", path, "-o", dump], ["verify", path, "--against", dump], ["show", out]]
    for words in (*lines, ["upgrade", out, "-o", again]):
        assert command(*words).status == 0, words
    assert "NET.caffemodel" in command("record", out, "-o", dump).err


def test_a_wrong_net_ends_with_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from caffe2py.frontends.onnx import node as nodes

    path = saved(model([node("Elu", "x")], {"x": (2, 3)}), tmp_path)
    monkeypatch.setitem(dict(nodes.translations()) and nodes._REGISTER, "Elu", lambda n, d: d.layer("ReLU", n.blob()))
    done = command("convert", path, "-o", tmp_path / "out.prototxt")
    assert done.status == 3 and 'output "y" differs' in done.err


WRONG = {
    "two files of weights": ["MODEL", "MODEL", "-o", "out.prototxt"],
    "a target of nobody": ["MODEL", "-o", "out.prototxt", "--target", "tensorflow"],
    "a target and a dialect": ["MODEL", "-o", "out.prototxt", "--target", "bvlc", "--dialect", "ssd"],
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_words_are_told(case: str, tmp_path: Path) -> None:
    path = saved(model([node("Relu", "x")], {"x": (2, 3)}), tmp_path)
    words = [path if w == "MODEL" else tmp_path / w if w == "out.prototxt" else w for w in WRONG[case]]
    done = command("convert", *words)
    assert done.status not in (0, 3) and done.err and not (tmp_path / "out.prototxt").exists()


def test_half_precision_is_told(tmp_path: Path) -> None:
    made = model([node("Cast", "x", "a", to=10), node("Relu", "a", "b"), node("Cast", "b", to=1)], {"x": (2, 3)})
    assert any("16 bits" in note for note in differences(saved(made, tmp_path))[0].notes)
