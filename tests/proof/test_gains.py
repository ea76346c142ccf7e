"""Where terms cancel, more drift is rounding; a fault there is still a fault."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

import caffe2py
from caffe2py.graph import Graph
from tests.helpers.nets import graph_of

CANCELLING = """name: "cancelling"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 64 } } }
layer { name: "mixed" type: "InnerProduct" bottom: "data" top: "mixed"
        inner_product_param { num_output: 64 bias_term: false } }
layer { name: "sum" type: "InnerProduct" bottom: "mixed" top: "sum"
        inner_product_param { num_output: 1 bias_term: false } }
layer { name: "relu" type: "ReLU" bottom: "sum" top: "top" relu_param { negative_slope: 0.5 } }
"""
INPUT = np.random.RandomState(1).uniform(0.5, 1, (1, 64)).astype(np.float32)


def cancelling() -> Graph:
    """A net whose last sum is about a thousandth of its terms."""
    graph = graph_of(CANCELLING, weights=True)
    mixed = caffe2py.run(graph, {"data": INPUT}, record="blobs", dtype="float64")["mixed"]
    weights = np.random.RandomState(2).uniform(-1, 1, (1, 64))
    weights -= (weights @ mixed.T - 1e-3 * np.abs(weights) @ np.abs(mixed).T) * mixed / (mixed**2).sum()
    nodes = [
        replace(n, weights=(replace(n.weights[0], data=weights.astype(np.float32)),)) if n.name == "sum" else n
        for n in graph.nodes
    ]
    return replace(graph, nodes=tuple(nodes))


@pytest.mark.parametrize(("error", "ok"), [(0.0, True), (1e-3, True), (2e-2, False)])
def test_a_sum_whose_terms_cancel(error: float, ok: bool, tmp_path: Path) -> None:
    graph, dump, model = cancelling(), tmp_path / "dump.h5", tmp_path / "net.onnx"
    caffe2py.convert(graph, model)  # of an ONNX file drift alone is known
    caffe2py.record(graph, {"data": INPUT}, dump)
    with h5py.File(dump, "r+") as file:
        for layer in file["layer"].values():
            if layer.attrs["name"] in ("sum", "relu"):
                layer["top0"][...] *= np.float32(1 + error)
    report = caffe2py.verify(graph, dump, model)
    assert report.ok is ok, report.verdict
    assert ok or report.first_offender.name == "sum"
