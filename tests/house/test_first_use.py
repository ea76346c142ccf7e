"""The first hour: what a Python prompt shows, what `dir` lists, and what the functions say of wrong arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import caffe2py
import caffe2py.archive
from caffe2py.backends.convert import KINDS, OPTIONS
from caffe2py.errors import CaffeError
from caffe2py.evaluate.releases.models import prototxt
from caffe2py.graph import Graph
from caffe2py.proof.record import noise, record
from tests.helpers.nets import SMALL, command, graph_of, write_net

GIVEN = graph_of(SMALL, weights=True)


def test_a_graph_prints_as_one_line() -> None:
    assert repr(GIVEN) == (
        "<Graph small net: 9 layers, 185 parameters, data (2, 3, 9, 7) -> gate (2, 5, 1, 1), prob (2, 4)>"
    )
    big = caffe2py.load(prototxt("SENet-154"))
    assert repr(big) == "<Graph SENet: 930 layers, 115,336,693 parameters, data (1, 3, 224, 224) -> prob (1, 1000)>"
    assert len(str(big).splitlines()) > 930
    ends = " -> ".join(f"{x}0 (1,), {x}1 (1,), {x}2 (1,), {x}3 (1,), 3 more" for x in "ir")
    assert repr(graph_of(MANY)) == f"<Graph : 14 layers, 0 parameters, {ends}>"


MANY = "".join(
    f'layer {{ name: "i{i}" type: "Input" top: "i{i}" input_param {{ shape {{ dim: 1 }} }} }}\n' for i in range(7)
) + "".join(f'layer {{ name: "r{i}" type: "ReLU" bottom: "i{i}" top: "r{i}" }}\n' for i in range(7))


def test_its_parts_do_too() -> None:
    conv = GIVEN.node("conv/1")
    assert repr(conv) == "<Node conv/1 (Convolution): data -> conv>"
    assert repr(GIVEN.node("bn").tops) == "(<Value conv#2>,)"
    assert repr(conv.weights[0]) == "<Weight weight (5, 3, 3, 3)>"
    assert repr(graph_of(SMALL).node("fc").weights[1]) == "<Weight bias (4,), not given>"
    named = 'name: "a\\033b" layer { name: "\\n" type: "Input" top: "\\033" input_param { shape { dim: 1 } } }'
    evil = graph_of(named)
    assert all(made.isprintable() for made in map(repr, (evil, evil.nodes[0], evil.nodes[0].tops[0])))


def test_a_report_does_too(tmp_path: Path) -> None:
    record(GIVEN, noise(GIVEN), tmp_path / "d.npz")
    report = caffe2py.verify(GIVEN, tmp_path / "d.npz")
    assert repr(report) == f"<Report small net (torch, exact): {report.verdict}>"


@pytest.mark.parametrize("module", [caffe2py, caffe2py.archive, caffe2py.evaluate])
def test_dir_lists_the_public_names(module: Any) -> None:
    assert dir(module) == sorted(module.__all__)
    assert all(getattr(module, name) is not None for name in dir(module))


X = {"data": np.zeros((2, 3, 9, 7), np.float32)}
Call = Callable[[Graph, Path, Path], Any]


def wrong(call: Call, said: str) -> tuple[Call, str]:
    return call, said


# What is called with a graph, a prototxt and a folder, and what it says.
WRONG = {
    "record": wrong(lambda g, n, f: caffe2py.run(g, X, record="x"), 'record is "x"; want None or "layers" or "blobs"'),
    "dtype": wrong(lambda g, n, f: caffe2py.run(g, X, dtype="int8"), 'dtype is "int8"; want "float32" or "float64"'),
    "complex": wrong(lambda g, n, f: caffe2py.run(g, {"data": X["data"] + 1j}), 'input "data" holds complex64; want'),
    "objects": wrong(lambda g, n, f: caffe2py.run(g, {"data": np.array([[[[g]]]])}), 'input "data" holds object; want'),
    "stages": wrong(lambda g, n, f: caffe2py.load(n, stages="abc"), 'stages is "abc"; want a list of names'),
    "numbers for stages": wrong(lambda g, n, f: caffe2py.load(n, stages=[1]), "stages is [1]; want a list of names"),
    "phase": wrong(lambda g, n, f: caffe2py.load(n, phase="run"), 'phase is "RUN"; want "TRAIN" or "TEST"'),
    "a number for a phase": wrong(lambda g, n, f: caffe2py.load(n, phase=1), "phase is 1; want"),
    "level": wrong(lambda g, n, f: caffe2py.load(n, level="low"), 'level is "low"; want a whole number'),
    "fill": wrong(lambda g, n, f: caffe2py.load(n, fill=0.5), "fill is 0.5; want a whole number from 0 on"),
    "plugins": wrong(lambda g, n, f: caffe2py.load(n, plugins="x.py"), "x.py: no such file"),
    "dialect": wrong(lambda g, n, f: caffe2py.load(n, dialect="sdd"), 'there is no dialect "sdd"; want one of bvlc'),
    "sizes": wrong(lambda g, n, f: caffe2py.load(n, inputs={"data": (1, 3, 2.5, 7)}), 'a size of input "data" is 2.5'),
    "a text for sizes": wrong(lambda g, n, f: caffe2py.load(n, inputs={"data": "1,3"}), 'the shape of input "data" is'),
    "a shape for shapes": wrong(lambda g, n, f: caffe2py.load(n, inputs=(1, 3)), "input is (1, 3); want shapes by"),
    "bar": wrong(lambda g, n, f: caffe2py.verify(g, f, bar=-1), "bar is -1; want a number from 0 on"),
    "no bar": wrong(lambda g, n, f: caffe2py.verify(g, f, bar=float("nan")), "bar is nan; want"),
    "bar of two dumps": wrong(lambda g, n, f: caffe2py.compare(f, f, bar="x"), 'bar is "x"; want'),
    "batch": wrong(lambda g, n, f: caffe2py.to_onnx(g, batch=0), "batch is 0; want a whole number from 1 on"),
    "samples": wrong(lambda g, n, f: caffe2py.record(g, X, f / "d.h5", samples=2.5), "samples is 2.5; want"),
    "layout": wrong(lambda g, n, f: caffe2py.convert(g, f / "o", layout="x"), 'layout is "x"; want "timm"'),
    "option": wrong(lambda g, n, f: caffe2py.convert(g, f / "o.pt", style="flat"), '.pt has no option "style"; want'),
    "misspelt": wrong(lambda g, n, f: caffe2py.convert(g, f / "o.onnx", bach=1), '.onnx has no option "bach"; want'),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_told(name: str, tmp_path: Path) -> None:
    call, said = WRONG[name]
    (tmp_path / "net.prototxt").write_text(SMALL)
    with pytest.raises(CaffeError) as caught:
        call(GIVEN, tmp_path / "net.prototxt", tmp_path)
    assert said in str(caught.value)
    assert [f.name for f in tmp_path.iterdir()] == ["net.prototxt"]


def test_what_is_right_in_other_types_is_taken(tmp_path: Path) -> None:
    net, weights = write_net(tmp_path)
    choices = {"phase": "test", "level": np.int64(0), "stages": ("a", "b"), "inputs": {"data": [1, 3, 9, 7]}}
    graph = caffe2py.load(net, weights, **choices)
    assert (graph.phase, graph.inputs) == ("TEST", {"data": (1, 3, 9, 7)})
    assert caffe2py.load(net, phase="train").phase == "TRAIN"
    assert caffe2py.to_onnx(graph, batch=np.int32(2)).graph.input[0].type.tensor_type.shape.dim[0].dim_value == 2


def test_convert_tells_the_options_of_each_kind() -> None:
    said = inspect.getdoc(caffe2py.convert) or ""
    assert all(f"\n{kind} " in said for kind in KINDS)
    assert all(f"{option}=" in said for options in OPTIONS.values() for option in options)


def test_missing_weights_name_the_option(tmp_path: Path) -> None:
    net, _ = write_net(tmp_path)
    done = command("convert", net, "-o", tmp_path / "out.pt")
    assert done.status == 1 and "--fill SEED" in done.err, done
