"""Phase TRAIN: what is drawn at random says nothing, and what follows is held against the reference layer by layer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import caffe2py
from caffe2py.graph import Graph
from caffe2py.proof.reports.findings import OK, SILENT, LayerReport
from tests.helpers.nets import command, graph_of, write_net

DROPPING = """name: "dropping"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 6 } } }
layer { name: "noise" type: "DummyData" top: "noise"
        dummy_data_param { shape { dim: 4 dim: 6 } data_filler { type: "gaussian" std: 1 } } }
layer { name: "before" type: "InnerProduct" bottom: "data" top: "before" inner_product_param { num_output: 12 } }
layer { name: "drop" type: "Dropout" bottom: "before" top: "dropped" }
layer { name: "after" type: "InnerProduct" bottom: "dropped" top: "after" inner_product_param { num_output: 6 } }
layer { name: "relu" type: "ReLU" bottom: "after" top: "after" relu_param { negative_slope: 0.5 } }
layer { name: "sum" type: "Eltwise" bottom: "after" bottom: "noise" top: "sum" }
"""
DRAWN = ["noise", "drop"]


def rows(graph: Graph, dump: Path) -> dict[str, LayerReport]:
    report = caffe2py.verify(graph, dump)
    assert report.ok, report
    return {row.name: row for row in report.layers}


@pytest.fixture
def dropping() -> Graph:
    return graph_of(DROPPING, weights=True, phase="TRAIN")


def record(graph: Graph, path: Path, samples: int | None = None) -> Path:
    torch.manual_seed(1)  # for what is dropped: the same in each run of the tests
    caffe2py.record(graph, {"data": np.random.RandomState(1).uniform(-1, 1, (4, 6)).astype("f")}, path, samples)
    return path


def test_what_is_drawn_says_nothing_and_what_follows_is_fed(dropping: Graph, tmp_path: Path) -> None:
    found = rows(dropping, record(dropping, tmp_path / "dump.h5"))
    assert {name: row.verdict for name, row in found.items() if row.verdict != OK} == dict.fromkeys(DRAWN, SILENT)
    assert found["drop"].note == "drawn at random: no two runs agree" and found["drop"].error is None
    assert found["before"].drift is not None
    for name in ("after", "relu", "sum"):
        row = found[name]
        assert row.drift is None and row.local is not None and row.local_bar is not None and row.local_bar < 1e-5


def test_a_fault_behind_it_is_found(dropping: Graph, tmp_path: Path) -> None:
    dump = record(dropping, tmp_path / "dump.h5")
    weights = dropping.node("after").weights
    changed = np.array(weights[0].data)
    changed[2, 3] *= 1.01
    other = (replace(weights[0], data=changed), *weights[1:])
    nodes = tuple(replace(n, weights=other) if n.name == "after" else n for n in dropping.nodes)
    first = caffe2py.verify(replace(dropping, nodes=nodes), dump).first_offender
    assert first is not None and first.name == "after"


def test_sampled_nothing_behind_it_can_be_told(dropping: Graph, tmp_path: Path) -> None:
    found = rows(dropping, record(dropping, tmp_path / "dump.h5", samples=8))
    assert found["before"].verdict == OK
    assert {name for name, row in found.items() if row.verdict == SILENT} == {*DRAWN, "after", "relu", "sum"}
    assert found["after"].note.startswith("behind what is drawn at random")


def test_in_phase_test_nothing_is_dropped(tmp_path: Path) -> None:
    graph = graph_of(DROPPING, weights=True)
    found = rows(graph, record(graph, tmp_path / "dump.h5"))
    assert found["after"].drift is not None and found["noise"].verdict == SILENT and found["sum"].drift is None


FILES = """name: "files"
layer { name: "d" type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: "list" batch_size: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 3 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


def test_shapes_that_the_dump_holds_are_not_asked_for(tmp_path: Path) -> None:
    """A net that reads HDF5 files says nowhere what is in them."""
    shapes = {"data": (2, 5), "label": (2,)}
    said = [word for blob, shape in shapes.items() for word in ("--input", f"{blob}={','.join(map(str, shape))}")]
    prototxt, caffemodel = map(str, write_net(tmp_path, FILES, inputs=shapes))
    ours, again = str(tmp_path / "ours.h5"), str(tmp_path / "again.h5")
    np.savez(tmp_path / "x.npz", data=np.arange(10, dtype="f").reshape(2, 5), label=np.array([0, 2], "f"))
    assert command("record", prototxt, caffemodel, *said, "--from", str(tmp_path / "x.npz"), "-o", ours).status == 0
    assert caffe2py.verify(caffe2py.load(prototxt, caffemodel), ours).ok
    for arguments in (
        ["record", prototxt, caffemodel, "--from", ours, "-o", again],
        ["verify", prototxt, caffemodel, "--against", again],
    ):
        done = command(*arguments)
        assert done.status == 0, done.err
