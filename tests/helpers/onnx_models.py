"""Small ONNX models for tests, and a run of one beside a run of the Caffe net that it becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import caffe2py
from caffe2py.frontends.caffe.targets import target
from caffe2py.frontends.onnx.translate import load_onnx
from caffe2py.graph import Graph
from tests.helpers.layer_cases import relative
from tests.helpers.runtimes import in_onnxruntime

KINDS = {"f": (np.float32, TensorProto.FLOAT), "i": (np.int64, TensorProto.INT64)}


def weights(*shape: int, seed: int = 1, low: float = -1.0, high: float = 1.0) -> np.ndarray:
    return np.random.RandomState(seed).uniform(low, high, shape).astype(np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def node(op: str, inputs: str, outputs: str = "y", **words: Any) -> onnx.NodeProto:
    """A node of the words of two texts; a comma alone is an input that is left out."""
    return helper.make_node(
        op, ["" if i == "," else i for i in inputs.split()], outputs.split(), f"the {op} of {outputs}", **words
    )


def model(
    nodes: Sequence[onnx.NodeProto],
    shapes: Mapping[str, Sequence[Any]],
    constants: Mapping[str, np.ndarray] | None = None,
    outputs: str = "y",
    opset: int = 17,
    whole: Sequence[str] = (),
) -> onnx.ModelProto:
    """A model; `shapes` are those of its inputs, `whole` the inputs and outputs that hold whole numbers."""

    def info(name: str, shape: Sequence[Any] | None) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, KINDS["i" if name in whole else "f"][1], shape)

    ins = [info(name, shape) for name, shape in shapes.items()]
    outs = [info(name, None) for name in outputs.split()]
    tensors = [numpy_helper.from_array(a, name) for name, a in (constants or {}).items()]
    graph = helper.make_graph(list(nodes), "small", ins, outs, tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return made


def saved(made: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "net.onnx"
    onnx.save(made, path)
    return path


def differences(path: Path, low: float = -2.0, **choices: Any) -> tuple[Graph, dict[str, float]]:
    """The Caffe net that a model becomes, and by how much each output differs from onnxruntime's on the model."""
    names = {word: choices.pop(word, None) for word in ("target", "dialect")}
    graph = load_onnx(path, target=target(**{"name": names["target"], "dialect": names["dialect"]}), **choices)
    said = onnx.load(path, load_external_data=False).graph
    random = np.random.RandomState(5)
    feed = {}
    for given in said.input:
        shape = graph.inputs.get(given.name)
        if shape is not None:
            real = given.type.tensor_type.elem_type == TensorProto.FLOAT
            values = random.uniform(low, 2, shape) if real else random.randint(0, 3, shape)
            feed[given.name] = values.astype(np.float32 if real else np.int64)
    theirs = in_onnxruntime(path, [o.name for o in said.output])(feed)
    ours = caffe2py.run(graph, {name: x.astype(np.float32) for name, x in feed.items()})
    assert set(ours) == {o.name for o in said.output}
    return graph, {o.name: relative(ours[o.name], np.asarray(theirs[o.name])) for o in said.output}
