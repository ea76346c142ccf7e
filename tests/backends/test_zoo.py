"""Well-known nets of every format and fork, and MTCNN with its trained weights: every layer as Caffe recorded it."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

import caffe2py
from caffe2py.graph import Graph
from tests.helpers.absent import each
from tests.helpers.recorded_nets import RecordedNet, recorded_nets

# Caffe's float32 against our float64 is Caffe's own rounding: up to 9e-7 of a blob's largest value in these nets, the
# sum over some tens of layers of sums of up to 9216 products. Two float32 runs differ by up to 1.1e-6.
ROUNDING = 3e-6
LARGEST_IN_FLOAT64 = 2.5e9  # multiply-adds: a few seconds; of the others float32 is held to the same bar


NETS = [*recorded_nets("mtcnn"), *recorded_nets("zoo")]
every_net = each("net", NETS, "prototxts of well-known nets", ids=lambda net: net.id)


@every_net
def test_every_layer_is_as_recorded(net: RecordedNet, tmp_path: Path) -> None:
    graph = caffe2py.load(net.prototxt, net.caffemodel(tmp_path))
    as_recorded(net, graph, "float32")
    if graph.totals().multiply_adds <= LARGEST_IN_FLOAT64:
        as_recorded(net, graph, "float64")


def as_recorded(net: RecordedNet, graph: Graph, dtype: str) -> None:
    values = caffe2py.run(graph, net.inputs(), record="layers", dtype=dtype)
    errors = {}
    with h5py.File(net.dump) as file:
        for layer in file["layer"].values():
            name = layer.attrs["name"]
            if layer.attrs["type"] != "Split":  # Caffe puts them in when it runs
                for i, value in enumerate(values.pop(name)):
                    if f"top{i}" in layer:  # what is sampled has the first top alone
                        errors[f"{name} {i}"] = error(value, layer[f"top{i}"])
    assert all(graph.node(name).layer.is_input for name in values)
    assert errors and max(errors.values()) <= ROUNDING, {k: e for k, e in errors.items() if e > ROUNDING}


def error(value: np.ndarray, stored: h5py.Group | h5py.Dataset) -> float:
    """max |ours - Caffe's| where it was recorded, by the largest of Caffe's whole blob."""
    if isinstance(stored, h5py.Dataset):
        theirs, largest = stored[()], np.abs(stored[()]).max()
    else:
        assert value.shape == tuple(stored.attrs["shape"])
        value, theirs = value.reshape(-1)[stored["index"][()]], stored["value"][()]
        largest = max(abs(stored.attrs["min"]), abs(stored.attrs["max"]))
    return float(np.abs(value - theirs).max() / largest)


@every_net
def test_the_table_tells_the_shapes_that_caffe_had(net: RecordedNet) -> None:
    graph = caffe2py.load(net.prototxt)
    ours = {n.name: [graph.shapes[v] for v in n.tops] for n in graph.nodes}
    with h5py.File(net.dump) as file:
        for layer in file["layer"].values():
            if layer.attrs["type"] != "Split" and layer.attrs["name"] in ours:
                tops = [layer[top] for top in sorted(layer) if top.startswith("top")]
                shapes = [t.shape if isinstance(t, h5py.Dataset) else tuple(t.attrs["shape"]) for t in tops]
                assert shapes
                if graph.node(layer.attrs["name"]).layer.measured is None:  # else how much it finds is not known before
                    assert ours[layer.attrs["name"]][: len(shapes)] == shapes
    assert f"{len(graph.nodes)} layers" in str(graph)
