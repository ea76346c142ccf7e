"""What Caffe's own float32 arithmetic loses is no fault of a translation: recorded nets of long sums, and pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

import caffe2py
from caffe2py.backends.torch.run import runner
from caffe2py.graph import Graph, Node, Value
from caffe2py.proof.measures.plain_sums import FEW, LOOPS, lost, plain, sums
from tests.helpers.absent import each
from tests.helpers.layer_cases import Case, cases, relative
from tests.helpers.nets import graph_of
from tests.helpers.recorded_nets import recorded_nets
from tests.helpers.reference import found

NETS = [path.with_suffix("") for path in found("rounding/s*/*.prototxt")]
PICTURES = found("rounding/images/*.h5")
FORMS = ("exact", "flat", ".pt", ".py", ".onnx")
TYPES = {"BN", "Normalize", *(kind.type for kind in LOOPS)}
CASES = [c for c in (*cases("layers/*"), *cases("forks/*")) if {type_ for _, type_ in c.layers} & TYPES]


def dump_of(net: Path) -> Path:
    return found(f"rounding/{net.parent.name}/{net.name}.h5")[0]


@each("net", NETS, "nets of long sums", ids=lambda net: f"{net.parent.name}-{net.name}")
def test_a_net_of_long_sums(net: Path, tmp_path: Path) -> None:
    graph = caffe2py.load(f"{net}.prototxt", f"{net}.caffemodel")
    for form in FORMS:
        if form.startswith("."):
            caffe2py.convert(graph, tmp_path / f"net{form}")
            report = caffe2py.verify(graph, dump_of(net), tmp_path / f"net{form}")
        else:
            report = caffe2py.verify(graph, dump_of(net), style=form)
        assert report.ok and report.diagnosis is None, (form, str(report))


@pytest.fixture(scope="module")
def senet(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    """The net that saw the pictures, with its weights."""
    (net,) = (net for net in recorded_nets("senet") if net.id == "SE-ResNet-50")
    return caffe2py.load(net.prototxt, net.caffemodel(tmp_path_factory.mktemp("net")))


@each("picture", PICTURES, "records of pictures", ids=lambda path: path.stem)
def test_a_picture(picture: Path, senet: Graph) -> None:
    for style in ("exact", "flat"):
        report = caffe2py.verify(senet, picture, style=style)
        assert report.ok and report.diagnosis is None, (style, str(report))


FLAT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 6 dim: 56 dim: 56 } } }\n'
POOL = FLAT + 'layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param { pool: AVE %s } }\n'


def flat_maps(graph: Graph) -> dict[str, np.ndarray]:
    values = np.random.RandomState(3).uniform(1, 2, (1, 6, 1, 1)).astype(np.float32)
    return {"data": np.ascontiguousarray(np.broadcast_to(values, (1, 6, 56, 56)))}


def in_plain_loops(graph: Graph, inputs: dict[str, np.ndarray], path: Path, samples: int | None = None) -> Path:
    """A dump of a runtime that adds up in plain float32 loops."""
    caffe2py.record(graph, inputs, path, samples)
    (top,) = plain(graph.node("pool"), [inputs["data"]])
    with h5py.File(path, "r+") as file:
        (layer,) = file["layer"].values()
        held = layer["top0"] if samples is None else layer["top0/value"]
        held[...] = top.reshape(held.shape)
    return path


def test_the_report_says_that_the_reference_rounds(tmp_path: Path) -> None:
    graph = graph_of(POOL % "global_pooling: true")
    dump = in_plain_loops(graph, flat_maps(graph), tmp_path / "dump.h5")
    report = caffe2py.verify(graph, dump)
    said = "pool (Pooling): a plain float32 loop makes the reference to the bit: the reference rounds"
    assert report.ok and report.layers[0].rounds and report.remarks[0].startswith(said), report
    asked = caffe2py.verify(graph, dump, bar=1e-7)
    assert not asked.ok and asked.diagnosis is None and asked.remarks[0].startswith(said)


def test_a_layer_without_weights_has_no_other_weights(tmp_path: Path) -> None:
    graph = graph_of(POOL % "kernel_size: 8 stride: 8")
    inputs = {"data": np.random.RandomState(1).uniform(0, 1, (1, 6, 56, 56)).astype(np.float32)}
    for factor in (np.array([1, 1, 1.01, 1, 1, 1]), np.array([1, 1.02, 1.01, 1.03, 1.04, 1.05])):
        caffe2py.record(graph, inputs, tmp_path / "dump.h5")
        with h5py.File(tmp_path / "dump.h5", "r+") as file:
            top = file["layer/0000/top0"]
            top[...] = top[()] * factor[:, None, None].astype(np.float32)
        report = caffe2py.verify(graph, tmp_path / "dump.h5")
        assert not report.ok and report.diagnosis is not None and report.diagnosis.cause is None
        assert "probable cause: none of the usual mistakes explains it" in str(report)


def test_what_a_loop_loses_excuses_no_wrong_layer(tmp_path: Path) -> None:
    """The loss is that of the layer as Caffe has it, not the difference to what ours makes."""
    graph = graph_of(POOL % "kernel_size: 9 stride: 6 pad: 4")
    dump = in_plain_loops(graph, flat_maps(graph), tmp_path / "dump.h5")
    assert caffe2py.verify(graph, dump).ok
    layer: Any = graph.node("pool").layer
    nodes = [replace(n, layer=replace(layer, pad=(3, 3))) if n.name == "pool" else n for n in graph.nodes]
    assert not caffe2py.verify(replace(graph, nodes=tuple(nodes)), dump).ok


def stepped(case: Case) -> list[tuple[Node, list[np.ndarray], list[np.ndarray]]]:
    """Each layer with long sums of a recorded net: what it reads and what it makes in float64."""
    graph = case.graph()
    values: dict[Value, np.ndarray] = {}
    found = []
    with torch.no_grad():
        made = runner(graph, dtype=torch.float64)
        for node, tops in made.steps({b: torch.from_numpy(x).double() for b, x in case.inputs.items()}):
            if sums(node, graph.phase):
                found.append((node, [values[v] for v in node.bottoms], [t.numpy() for t in tops]))
            values.update({v: t.numpy().copy() for v, t in zip(node.tops, tops, strict=True)})
    return found


@each("case", CASES, "recorded layers", ids=lambda case: case.id)
def test_a_plain_loop_is_what_the_layer_means(case: Case) -> None:
    for node, bottoms, tops in stepped(case):
        for ours, want in zip(plain(node, bottoms, np.float64), tops, strict=True):
            assert relative(ours, want) < 1e-6, node.name  # eps and alpha are float32 on one side


TO_THE_BIT = ("flat", "pool", "gate", "lrn_across", "softmax10")


@each("net", [n for n in NETS if n.name.startswith(TO_THE_BIT)], "nets of long sums", ids=lambda net: net.name)
def test_a_plain_loop_is_how_caffe_adds_up(net: Path) -> None:
    graph = caffe2py.load(f"{net}.prototxt", f"{net}.caffemodel")
    node = next(n for n in graph.nodes if sums(n, "TEST"))
    with h5py.File(dump_of(net)) as file:
        layer = next(held for held in file["layer"].values() if held.attrs["name"] == node.name)
        made, want = plain(node, [file["input/data"][()]])[0], layer["top0"][()]
    assert (made == want).mean() > 0.998  # exp and pow of two libraries differ in the last place now and then


def test_few_values_are_drawn_several_times() -> None:
    """One flat map may by chance lose nothing: 1.0 is added up without an error."""
    node = graph_of(POOL % "global_pooling: true").node("pool")
    one = np.ones((1, 1, 56, 56), np.float32)
    assert plain(node, [one])[0] == 1 and np.abs(lost(node, [one])[0]).max() > 1e-6
    many = np.ones((1, FEW, 56, 56), np.float32)
    assert not lost(node, [many])[0].any()
