"""verify, record and compare: what is right passes, what is wrong is named, and the reports say so."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

import caffe2py
from caffe2py.errors import CaffeError
from caffe2py.graph import Graph
from caffe2py.proof.measures.measure import EPSILON, Bars, error, largest_difference, silent
from caffe2py.proof.record import noise
from tests.helpers.absent import each
from tests.helpers.nets import SMALL, command, graph_of, write_net
from tests.helpers.recorded_nets import RecordedNet, recorded_nets

WHOLE = recorded_nets("tiny") + recorded_nets("mtcnn")
QUICK = ("cifar10_full", "squeezenet_v1_1", "v0_cifar10_full_2014", "v0_lenet_deploy_2014")
SAMPLED = [net for net in recorded_nets("zoo") if net.id in QUICK]
LOCAL = 1e-5  # what is asked of every layer alone

TWO = """name: "two"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 5 dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
"""


def changed(graph: Graph, name: str, **fields: object) -> Graph:
    """The graph with other parameters of one layer."""
    layer: Any = graph.node(name).layer
    other = replace(layer, **fields)
    return replace(graph, nodes=tuple(replace(n, layer=other) if n.name == name else n for n in graph.nodes))


def weighted(graph: Graph, name: str, index: int, value: float) -> Graph:
    """The graph with one blob of one layer filled with a number."""
    weights = list(graph.node(name).weights)
    weights[index] = replace(weights[index], data=np.full(weights[index].shape, value, np.float32))
    return replace(graph, nodes=tuple(replace(n, weights=tuple(weights)) if n.name == name else n for n in graph.nodes))


@pytest.mark.parametrize("style", ["exact", "flat", "readable"])
@each("net", WHOLE, "whole nets", ids=lambda net: net.id)
def test_whole_nets_of_caffe(net: RecordedNet, tmp_path: Path, style: str) -> None:
    graph = caffe2py.load(net.prototxt, net.caffemodel(tmp_path))
    report = caffe2py.verify(graph, net.dump, style=style)
    assert report.ok and report.diagnosis is None and not report.notes, report
    locals_ = [row.local for row in report.layers]
    assert all(found is not None and found <= LOCAL for found in locals_)
    drifts = [(row.drift, row.drift_bar) for row in report.layers]
    assert all(drift is not None and bar is not None and drift <= bar for drift, bar in drifts)


@each("net", SAMPLED, "prototxts of well-known nets", ids=lambda net: net.id)
def test_sampled_nets_of_caffe(net: RecordedNet, tmp_path: Path) -> None:
    report = caffe2py.verify(caffe2py.load(net.prototxt, net.caffemodel(tmp_path)), net.dump)
    assert report.ok, report
    assert all(row.local is None and row.drift is not None for row in report.layers)


@pytest.fixture
def small(tmp_path: Path) -> tuple[Graph, Path]:
    graph = graph_of(SMALL, weights=True)
    caffe2py.record(graph, {"data": noise(graph)["data"] / 128}, tmp_path / "dump.h5")
    return graph, tmp_path / "dump.h5"


@pytest.mark.parametrize("suffix", [".pt", ".py", ".onnx"])
def test_a_converted_file(small: tuple[Graph, Path], tmp_path: Path, suffix: str) -> None:
    graph, dump = small
    model = tmp_path / f"net{suffix}"
    caffe2py.convert(graph, model)
    report = caffe2py.verify(graph, dump, model)
    assert report.ok and report.model == model.name, report
    assert {row.value for row in report.layers} >= {"conv#4", "pool", "fc", "prob", "gate"}


def leak_py(path: Path) -> None:
    text = path.read_text()
    assert text.count("F.relu(") == 1
    path.write_text(text.replace("F.relu(", "F.leaky_relu("))


def leak_onnx(path: Path) -> None:
    model = onnx.load(path)
    (relu,) = [n for n in model.graph.node if n.op_type == "Relu"]
    relu.op_type = "LeakyRelu"
    onnx.save(model, path)


def weight_pt(path: Path) -> None:
    held = torch.load(path, weights_only=True)
    held["state_dict"]["conv_1.weight"] = held["state_dict"]["conv_1.weight"].clone()
    held["state_dict"]["conv_1.weight"][2, 1, 0, 2] *= 1.01
    torch.save(held, path)


# What is done to the file, the layer that is named, the cause
WRONG_FILES: dict[str, tuple[Callable[[Path], None], str, str]] = {
    ".py": (leak_py, "relu", "the slope below zero: 0.01 in net.py, 0 in ours"),
    ".onnx": (leak_onnx, "relu", "the slope below zero: 0.01 in net.onnx, 0 in ours"),
    ".pt": (weight_pt, "conv/1", "one weight: weight[2, 1, 0, 2]"),
}


@pytest.mark.parametrize("suffix", WRONG_FILES)
def test_a_wrong_file_is_found_out(small: tuple[Graph, Path], tmp_path: Path, suffix: str) -> None:
    graph, dump = small
    model = tmp_path / f"net{suffix}"
    caffe2py.convert(graph, model)
    spoil, layer, cause = WRONG_FILES[suffix]
    spoil(model)
    report = caffe2py.verify(graph, dump, model)
    assert report.first_offender is not None and report.first_offender.name == layer, report
    assert report.diagnosis is not None and cause in (report.diagnosis.cause or ""), report.diagnosis


def test_an_unchanged_py_is_not_run(small: tuple[Graph, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from caffe2py.proof.models import py_model

    graph, dump = small
    caffe2py.convert(graph, tmp_path / "net.py")
    monkeypatch.setattr(py_model, "_module", lambda path: pytest.fail("it was run"))
    assert caffe2py.verify(graph, dump, tmp_path / "net.py").ok


MODELS = {
    "net.txt": ("x", 'cannot verify a file with the suffix ".txt"; want .pt, .pt2, .py or .onnx'),
    "net.pt": ("x", "cannot be read as a plain torch file"),
    "net.onnx": ("x", "does not load"),
    "net.py": ("def forward(", "is no Python source"),
    "other.py": ("x = 1\n", "is not what convert writes of net"),
    "none.onnx": (None, "no such file"),
    "none.py": (None, "no such file"),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_is_none(small: tuple[Graph, Path], tmp_path: Path, name: str) -> None:
    graph, dump = small
    text, said = MODELS[name]
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(CaffeError) as caught:
        caffe2py.verify(graph, dump, tmp_path / name)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_constant_reference_says_nothing(tmp_path: Path) -> None:
    graph = graph_of(TWO, weights=True)
    dead = weighted(graph, "conv", 1, -1e6)
    caffe2py.record(dead, noise(dead), tmp_path / "dump.h5")
    report = caffe2py.verify(dead, tmp_path / "dump.h5")
    assert [(row.name, row.verdict) for row in report.layers] == [("conv", "ok"), ("relu", "says nothing")]
    assert report.layers[1].note == "the reference is constant 0"
    leaky = changed(dead, "relu", negative_slope=0.1)
    report = caffe2py.verify(leaky, tmp_path / "dump.h5")
    assert report.first_offender is None  # it cannot convict either


def test_nothing_acquits_where_all_is_silent(tmp_path: Path) -> None:
    text = TWO[: TWO.index('layer { name: "relu"')]
    graph = graph_of(text, weights=True)
    zero = {"data": np.zeros((2, 3, 5, 4), np.float32)}
    blank = weighted(weighted(graph, "conv", 0, 0), "conv", 1, 0)
    caffe2py.record(blank, zero, tmp_path / "dump.h5")
    report = caffe2py.verify(blank, tmp_path / "dump.h5")
    assert not report.ok and report.first_offender is None
    assert "nothing in the dump can acquit the net" in report.verdict


def test_a_fixed_bar_replaces_what_rounding_explains(small: tuple[Graph, Path]) -> None:
    graph, dump = small
    wrong = changed(graph, "bn", eps=1e-4)
    found = caffe2py.verify(wrong, dump).first_offender
    assert found is not None and found.name == "bn"
    assert caffe2py.verify(wrong, dump, bar=1e-3).ok


def test_a_row_has_both_errors_and_what_explains_them(small: tuple[Graph, Path]) -> None:
    graph, dump = small
    row = caffe2py.verify(graph, dump).layers[0]
    assert (row.name, row.type, row.value, row.shape) == ("conv/1", "Convolution", "conv", (2, 5, 7, 5))
    assert row.local == row.drift == 0.0  # our own record
    # The record is our float32 run: what our float64 run differs by is its rounding, and the bar is five times that.
    assert row.exact_local == row.rounding and row.rounding is not None and 0 < row.rounding < 1e-5
    assert row.local_bar == max(5 * row.rounding, 16 * EPSILON, EPSILON * math.sqrt(27))


def test_bars() -> None:
    assert Bars().bar(0.0, 1) == 16 * EPSILON
    assert Bars().bar(1e-3, 1) == 5e-3
    assert Bars().bar(0.0, 10_000) == 100 * EPSILON
    assert Bars(fixed=1e-2).bar(1.0, 1) == 1e-2


NUMBERS = {
    "equal": ([1, 2], [1, 2], 0.0),
    "apart": ([1, 2], [1, 4], 2.0),
    "both NaN": ([np.nan, 1], [np.nan, 1], 0.0),
    "one NaN": ([np.nan, 1], [0, 1], math.inf),
    "same infinity": ([np.inf, 1], [np.inf, 3], 2.0),
    "opposite infinities": ([np.inf], [-np.inf], math.inf),
    "a number for an infinity": ([1], [np.inf], math.inf),
    "nothing": ([], [], 0.0),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_largest_difference(case: str) -> None:
    a, b, want = NUMBERS[case]
    assert largest_difference(np.array(a, np.float32), np.array(b, np.float32)) == want


def test_another_shape_is_infinitely_far() -> None:
    assert error(np.zeros((2, 3)), np.zeros((3, 2)), 1.0) == math.inf


SILENT = {
    "constant": ("ReLU", np.zeros((2, 3)), "constant 0"),
    "constant 3": ("Convolution", np.full((2, 3), 3.0), "constant 3"),
    "one number": ("Convolution", np.full((1, 1), 3.0), ""),
    "saturated": ("Softmax", np.array([[1.0, 0, 0], [0, 1, 0]]), "saturated"),
    "not quite": ("Softmax", np.array([[0.999, 0.001, 0], [0, 1, 0]]), ""),
    "of another type": ("Convolution", np.array([[1.0, 0, 0], [0, 1, 0]]), ""),
    "empty": ("ReLU", np.zeros((0, 3)), "empty"),
}


@pytest.mark.parametrize("case", SILENT)
def test_what_says_nothing(case: str) -> None:
    type_, reference, want = SILENT[case]
    assert silent(type_, reference.astype(np.float32)) == want


def test_json_and_markdown(small: tuple[Graph, Path], tmp_path: Path) -> None:
    graph, dump = small
    wrong = changed(graph, "bn", eps=1e-3)
    report = caffe2py.verify(wrong, dump)
    said = json.loads(report.to_json(tmp_path / "r.json"))
    assert json.loads((tmp_path / "r.json").read_text()) == said
    assert (said["ok"], said["first_offender"]) == (False, "bn")
    assert said["cause"] == "eps: 1e-05 in the reference, 0.001 in ours"
    assert len(said["layers"]) == 8 and len(said["files"]["dump.h5"]) == 64
    text = report.to_markdown(tmp_path / "r.md")
    assert (tmp_path / "r.md").read_text() == text
    assert text.startswith("# small net: NOT verified\n") and "| bn | BatchNorm |" in text


def test_names_stay_text_in_markdown(tmp_path: Path) -> None:
    graph = graph_of(TWO.replace('name: "conv"', 'name: "<b>|a_b|`"'), weights=True)
    caffe2py.record(graph, noise(graph), tmp_path / "dump.h5")
    text = caffe2py.verify(graph, tmp_path / "dump.h5").to_markdown()
    assert "&lt;b&gt;\\|a\\_b\\|\\`" in text and "<b>" not in text


def test_compare_names_where_two_dumps_part(small: tuple[Graph, Path], tmp_path: Path) -> None:
    graph, dump = small
    assert caffe2py.compare(dump, dump).ok
    wrong = changed(graph, "bn", eps=1e-3)
    x = {"data": noise(graph)["data"] / 128}
    for samples in (None, 16):
        caffe2py.record(wrong, x, tmp_path / "other.h5", samples)
        for a, b in ((dump, tmp_path / "other.h5"), (tmp_path / "other.h5", dump)):
            found = caffe2py.compare(a, b).first_offender
            assert found is not None and found.name == "bn"
    np.savez(tmp_path / "blobs.npz", **caffe2py.run(graph, x, record="blobs"))
    report = caffe2py.compare(tmp_path / "blobs.npz", dump)
    assert report.ok
    assert {row.value for row in report.layers if row.verdict == "ok"} == {"conv", "pool", "fc", "prob", "gate"}


# The commands


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    return [str(p) for p in write_net(tmp_path)]


def test_commands_record_verify_and_compare(files: list[str], tmp_path: Path) -> None:
    a, b = str(tmp_path / "a.h5"), str(tmp_path / "b.h5")
    assert command("record", *files, "-o", a, "--samples", "50").status == 0
    assert command("record", *files, "-o", b, "--from", a).status == 0
    verified = command("verify", *files, "--against", a)
    assert verified.status == 0 and "verified: 7 ok" in verified.out
    assert command("verify", *files, "--against", b, "--style", "flat", "--all").status == 0
    compared = command("compare", a, b, "--json")
    assert compared.status == 0 and json.loads(compared.out)["ok"] is True


def test_verify_fails_with_status_3_and_names_the_layer(files: list[str], tmp_path: Path) -> None:
    dump, page = str(tmp_path / "a.h5"), tmp_path / "r.md"
    assert command("record", *files, "-o", dump).status == 0
    wrong = tmp_path / "wrong.prototxt"
    wrong.write_text(SMALL.replace("use_global_stats: true", "use_global_stats: true eps: 0.1"))
    done = command("verify", str(wrong), files[1], "--against", dump, "--markdown", str(page))
    assert done.status == 3
    assert 'the first is layer "bn" (BatchNorm)' in done.out
    assert "probable cause: eps: 1e-05 in the reference" in done.out
    assert page.exists()
    other = str(tmp_path / "b.h5")
    assert command("record", str(wrong), files[1], "-o", other).status == 0
    assert command("compare", dump, other).status == 3


def test_errors_are_one_line(files: list[str], tmp_path: Path) -> None:
    done = command("verify", *files, "--against", files[0])
    assert done.status == 1 and "is no dump of activations" in done.err and done.err.count("\n") == 1
    done = command("record", *files, "-o", str(tmp_path / "d.h5"), "--from", files[0])
    assert done.status == 1 and done.err.count("\n") == 1 and not (tmp_path / "d.h5").exists()
