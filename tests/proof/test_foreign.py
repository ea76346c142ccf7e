"""Somebody else's translation: other names, axes and operators, found by what the values are."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

import caffe2py
from caffe2py.errors import CaffeError
from caffe2py.graph import Graph
from caffe2py.proof.models.foreign import ForeignModel
from tests.helpers.nets import SMALL, command, graph_of, write_net


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    folder = tmp_path_factory.mktemp("net")
    prototxt, caffemodel = write_net(folder, SMALL)
    x = np.random.RandomState(4).randn(2, 3, 9, 7).astype(np.float32)
    caffe2py.record(caffe2py.load(prototxt, caffemodel), {"data": x}, folder / "dump.h5")
    return prototxt, caffemodel, folder / "dump.h5"


def stranger(graph: Graph, path: Path, **options: object) -> onnx.ModelProto:
    """Our own ONNX as another would write it: numbers for names, and pictures with their channels last."""
    model = caffe2py.to_onnx(graph, **options)  # type: ignore[arg-type]
    names: dict[str, str] = {}
    for node in model.graph.node:
        for places in (node.input, node.output):
            places[:] = [names.setdefault(name, f"t{len(names)}") if name else "" for name in places]
    for tensor in model.graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
    for value in (*model.graph.input, *model.graph.output):
        value.name = names[value.name]
    del model.graph.value_info[:]
    given = model.graph.input[0]
    dims = [2, 9, 7, 3]
    turned = helper.make_tensor_value_info("pictures", onnx.TensorProto.FLOAT, dims)
    model.graph.node.insert(0, helper.make_node("Transpose", ["pictures"], [given.name], perm=[0, 3, 1, 2]))
    model.graph.input[0].CopyFrom(turned)
    model.producer_name = "pytorch"
    onnx.save(model, path)
    return model


@pytest.mark.parametrize("options", [{}, {"fold": True}], ids=str)
def test_onnx_of_other_names_and_axes(
    files: tuple[Path, Path, Path], tmp_path: Path, options: dict[str, object]
) -> None:
    graph = caffe2py.load(*files[:2])
    stranger(graph, tmp_path / "other.onnx", **options)
    report = caffe2py.verify(graph, files[2], tmp_path / "other.onnx")
    assert report.ok
    found = {row.name for row in report.layers}
    assert {"scale", "relu", "pool", "fc", "prob", "gate"} <= found and "bn" not in found
    assert f"{len(found)} of 8 layers were found" in report.notes[0]


def test_a_program_of_torch_export(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    graph = caffe2py.load(*files[:2])
    caffe2py.convert(graph, tmp_path / "other.pt2")
    report = caffe2py.verify(graph, files[2], tmp_path / "other.pt2")
    assert report.ok and {"conv/1", "scale", "prob"} <= {row.name for row in report.layers}
    (tmp_path / "bad.pt2").write_bytes(b"PK")
    with pytest.raises(CaffeError, match=r"does not load as a program of torch.export"):
        caffe2py.verify(graph, files[2], tmp_path / "bad.pt2")


class Calls:
    """Pickled, a call that makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.folder),)


def test_a_pickle_in_a_program_calls_nothing(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    graph = caffe2py.load(*files[:2])
    caffe2py.convert(graph, tmp_path / "other.pt2")
    with zipfile.ZipFile(tmp_path / "other.pt2") as made, zipfile.ZipFile(tmp_path / "bad.pt2", "w") as bad:
        for name in made.namelist():
            held = made.read(name)
            if name.endswith("sample_inputs/model.pt"):
                torch.save(Calls(tmp_path / "called"), stored := io.BytesIO())
                held = stored.getvalue()
            bad.writestr(name, held)
    before = dict(os.environ)
    with pytest.raises(CaffeError, match=r"does not load as a program of torch.export"):
        caffe2py.verify(graph, files[2], tmp_path / "bad.pt2")
    assert not (tmp_path / "called").exists() and dict(os.environ) == before


def test_the_first_layer_after_which_nothing_matches(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    graph = caffe2py.load(*files[:2])
    model = stranger(graph, tmp_path / "other.onnx")
    (weight,) = (t for t in model.graph.initializer if list(t.dims) == [4, 5])
    wrong = onnx.numpy_helper.to_array(weight)[::-1].copy()
    weight.raw_data = wrong.tobytes()
    (gate,) = (n for n in model.graph.node if n.op_type == "Sigmoid")
    gate.op_type = "Tanh"
    onnx.save(model, tmp_path / "other.onnx")
    found = command("verify", *files[:2], "--against", files[2], "--model", tmp_path / "other.onnx")
    assert found.status == 3, found
    assert 'nothing matches after "pool" (Pooling); the first that does not is "fc" (InnerProduct)' in found.err


def test_a_small_fault_is_found_where_it_is(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    graph = caffe2py.load(*files[:2])
    model = stranger(graph, tmp_path / "other.onnx")
    (weight,) = (t for t in model.graph.initializer if list(t.dims) == [4, 5])
    weight.raw_data = (onnx.numpy_helper.to_array(weight) * np.float32(1.001)).tobytes()
    onnx.save(model, tmp_path / "other.onnx")
    report = caffe2py.verify(graph, files[2], tmp_path / "other.onnx")
    assert report.first_offender is not None and report.first_offender.name == "fc"


def test_an_input_that_does_not_fit(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    graph = caffe2py.load(*files[:2])
    model = stranger(graph, tmp_path / "other.onnx")
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 4
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(CaffeError, match=r"wants an input of shape \(2, 9, 7, 4\)|does not load"):
        caffe2py.verify(graph, files[2], tmp_path / "other.onnx")


def test_axes_without_number_are_not_tried_in_every_order() -> None:
    """Twelve axes have half a billion orders."""
    graph = graph_of(f'layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ {"dim: 2 " * 12} }} }} }}')
    runs = SimpleNamespace(inputs=[[7] * 12], outputs=[], values=None)
    with pytest.raises(CaffeError, match="wants an input of shape"):
        ForeignModel("many.onnx", graph, runs).fed({"x": np.zeros((2,) * 12, np.float32)})
