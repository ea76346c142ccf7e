"""Every layer type as ONNX: onnxruntime against what Caffe recorded, and against our own run for other batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import caffe2py
from caffe2py.backends.onnx.check import relative_difference
from caffe2py.backends.onnx.model import HIGHEST, LOWEST
from caffe2py.errors import CaffeError, UnsupportedError
from caffe2py.graph import Graph
from caffe2py.graph.free_sizes import with_inputs
from caffe2py.layers.base import Layer, Shape
from tests.helpers.absent import each
from tests.helpers.layer_cases import Arrays, Case, layer_cases, random_cases, relative
from tests.helpers.nets import SMALL, graph_of
from tests.helpers.runtimes import Runtime, in_onnxruntime, in_opencv, in_openvino

RUNTIMES = [in_onnxruntime, in_opencv, in_openvino]
NOT_SAYABLE = {"BatchNorm-train"}  # it changes its stored statistics, which a model's weights cannot
SAYABLE = [case for case in [*layer_cases(), *random_cases()] if case.id not in NOT_SAYABLE]
# OpenCV has no operator that drops rows by their values, no MaxRoiPool, and no NaN for the root of a variance below 0.
NOT_READ = {in_opencv: ("BN", "DetectionOutput", "Filter", "ROIPooling")}
READ = [(c, r) for c in SAYABLE for r in RUNTIMES if not any(f'"{t}"' in c.prototxt for t in NOT_READ.get(r, ()))]
# Both sides add in float32, in other orders: a sum of n products errs by about sqrt(n) * 6e-8 of the largest term.
FORWARD = 1e-5

X = np.random.RandomState(3).uniform(-1, 1, (2, 3, 9, 7)).astype(np.float32)  # for the net SMALL


def run(model: onnx.ModelProto, inputs: Arrays, folder: Path, runtime: Runtime = in_onnxruntime) -> Arrays:
    onnx.checker.check_model(model, full_check=True)
    path = folder / "net.onnx"
    onnx.save(model, path)
    return runtime(path, [o.name for o in model.graph.output])({i.name: inputs[i.name] for i in model.graph.input})


@each("read", READ, "recorded layers", ids=lambda read: f"{read[0].id}-{read[1].__name__}")
def test_agrees_with_caffe(read: tuple[Case, Runtime], tmp_path: Path) -> None:
    case, runtime = read
    graph = case.graph()
    model = caffe2py.to_onnx(graph)
    assert [i.name for i in model.graph.input] == list(graph.inputs)
    values = run(model, case.inputs, tmp_path, runtime)
    errors = {name: relative(values[name], case.tops[name]) for name in graph.outputs}
    assert errors and max(errors.values()) <= FORWARD, errors


@each("case", SAYABLE, "recorded layers", ids=lambda case: case.id)
def test_a_free_batch_is_free(case: Case, tmp_path: Path) -> None:
    """With one more of each free size, where there is one, onnxruntime gives what our run of that size gives."""
    graph = case.graph()
    model = caffe2py.to_onnx(graph)
    inputs = {}
    for given in model.graph.input:
        inputs[given.name] = case.inputs[given.name]
        for axis, dim in enumerate(given.type.tensor_type.shape.dim):
            if dim.dim_param:
                x = inputs[given.name]
                inputs[given.name] = np.concatenate([x, np.take(x, [0], axis)], axis)
    values = run(model, inputs, tmp_path)
    wanted = caffe2py.run(with_inputs(graph, {name: x.shape for name, x in inputs.items()}), inputs)
    errors = {name: relative_difference(values[name], top) for name, top in wanted.items()}
    assert max(errors.values()) <= FORWARD, errors


# (net, the dimensions of its inputs and outputs)
FREE = {
    "images": (SMALL, {"data": ["N", 3, 9, 7], "gate": ["N", 5, 1, 1], "prob": ["N", 4]}),
    "reshaped with the batch": (
        """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 4 } } }
        layer { name: "y" type: "Reshape" bottom: "x" top: "y" reshape_param { shape { dim: -1 dim: 2 } } }""",
        {"x": ["N", 3, 4], "y": ["6*N", 2]},
    ),
    "two sizes": (
        """layer { name: "in" type: "Input" top: "x" top: "index"
          input_param { shape { dim: 2 dim: 3 } shape { dim: 5 } } }
        layer { name: "y" type: "BatchReindex" bottom: "x" bottom: "index" top: "y" }""",
        {"x": ["N", 3], "index": ["N_index"], "y": ["N_index", 3]},
    ),
    "a batch that a Reshape fixes": (
        """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
        layer { name: "y" type: "Reshape" bottom: "x" top: "y" reshape_param { shape { dim: 3 dim: 2 } } }""",
        {"x": [2, 3], "y": [3, 2]},
    ),
    "a batch that weights fix": (
        """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
        layer { name: "y" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 4 axis: 0 } }""",
        {"x": ["N", 3], "y": [4]} | {"x": [2, 3]},
    ),
    "cut along the batch": (
        """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 4 dim: 3 } } }
        layer { name: "y" type: "Slice" bottom: "x" top: "a" top: "b" slice_param { axis: 0 } }""",
        {"x": [4, 3], "a": [2, 3], "b": [2, 3]},
    ),
}


@pytest.mark.parametrize("name", FREE)
def test_which_sizes_are_free(name: str) -> None:
    text, wanted = FREE[name]
    model = caffe2py.to_onnx(graph_of(text, weights=True))
    said = {
        v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*model.graph.input, *model.graph.output)
    }
    assert said == wanted


def dims(value: onnx.ValueInfoProto) -> list[int]:
    return [d.dim_value for d in value.type.tensor_type.shape.dim]


def test_a_fixed_batch(tmp_path: Path) -> None:
    graph = graph_of(SMALL, weights=True)
    model = caffe2py.to_onnx(graph, batch=5)
    assert dims(model.graph.input[0]) == [5, 3, 9, 7] and dims(model.graph.output[1]) == [5, 4]
    x = np.concatenate([X, X, X[:1]])
    assert relative(run(model, {"data": x}, tmp_path)["prob"], caffe2py.run(graph, {"data": x})["prob"]) <= FORWARD


# Options of to_onnx, and how far they may be from float32.
OPTIONS = {
    **{f"opset {n}": ({"opset": n}, FORWARD) for n in range(LOWEST, HIGHEST + 1)},
    "fold": ({"fold": True}, FORWARD),
    "function": ({"axpy": "function"}, FORWARD),
    "float16": ({"float16": True}, 1e-2),  # three digits, over ten layers
    "all": ({"fold": True, "axpy": "function", "float16": True, "batch": 2}, 1e-2),
}
SE = """name: "a block of SENet"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 9 dim: 7 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 bias_term: false } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "gate" type: "Sigmoid" bottom: "pool" top: "gate" }
layer { name: "axpy" type: "Axpy" bottom: "gate" bottom: "conv" bottom: "conv" top: "axpy" }
layer { name: "max" type: "Softmax" bottom: "axpy" top: "max" }
layer { name: "mean" type: "Reduction" bottom: "max" top: "mean" reduction_param { operation: MEAN axis: 2 } }
layer { name: "parts" type: "Slice" bottom: "axpy" top: "a" top: "b" slice_param { slice_point: 1 } }
"""


# A layer that asks for the same operator for rows and for columns.
WARPED = """
layer { name: "in" type: "Input" top: "x" top: "rois"
  input_param { shape { dim: 1 dim: 2 dim: 6 dim: 6 } shape { dim: 1 dim: 5 } } }
layer { name: "warp" type: "ROIWarping" bottom: "x" bottom: "rois" top: "y"
  roi_warping_param { pooled_h: 2 pooled_w: 2 } }
"""


def test_what_an_opset_lacks_is_told_once() -> None:
    graph = graph_of(WARPED)
    with pytest.raises(UnsupportedError) as told:
        caffe2py.to_onnx(graph, opset=11)
    lines = str(told.value).splitlines()[1:]
    assert len(lines) > 1 and len(lines) == len(set(lines))


@pytest.mark.parametrize("name", OPTIONS)
def test_options_keep_the_numbers(name: str, tmp_path: Path) -> None:
    options, bar = OPTIONS[name]
    graph = graph_of(SE, weights=True)
    if 11 <= options.get("opset", 13) < 13:
        with pytest.raises(UnsupportedError, match=r'"max" \(Softmax\): Softmax over an inner axis needs opset 13'):
            caffe2py.to_onnx(graph, **options)
        return
    model = caffe2py.to_onnx(graph, **options)
    values = run(model, {"data": X}, tmp_path)
    errors = {name: relative(values[name], top) for name, top in caffe2py.run(graph, {"data": X}).items()}
    assert max(errors.values()) <= bar, errors


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def test_each_layer_is_a_node_with_its_name() -> None:
    model = caffe2py.to_onnx(graph_of(SMALL, weights=True))
    assert [(n.name, n.op_type, list(n.output)) for n in model.graph.node] == [
        ("conv/1", "Conv", ["conv"]),
        ("bn", "BatchNormalization", ["conv#3"]),
        ("relu", "Relu", ["conv#4"]),
        ("pool", "GlobalAveragePool", ["pool"]),
        ("fc/Flatten", "Flatten", ["fc/Flatten"]),
        ("fc/Gemm", "Gemm", ["fc"]),
        ("prob", "Softmax", ["prob"]),
        ("gate", "Sigmoid", ["gate"]),
    ]
    assert [t.name for t in model.graph.initializer][:2] == ["conv/1.weight", "conv/1.bias"]


def test_fold_leaves_no_batch_norm() -> None:
    model = caffe2py.to_onnx(graph_of(SE, weights=True), fold=True)
    assert kinds(model)[:2] == ["Conv", "GlobalAveragePool"]


def test_axpy_as_a_function() -> None:
    model = caffe2py.to_onnx(graph_of(SE, weights=True), axpy="function")
    assert ("caffe2py", "Axpy") in [(n.domain, n.op_type) for n in model.graph.node]
    assert [[n.op_type for n in f.node] for f in model.functions] == [["Mul", "Add"]]


def test_the_lowest_opset_that_says_it() -> None:
    assert caffe2py.to_onnx(graph_of(SMALL, weights=True)).opset_import[0].version == LOWEST
    assert caffe2py.to_onnx(graph_of(SE, weights=True)).opset_import[0].version == 13


IN_PLACE = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "relu" type: "ReLU" bottom: "data" top: "data" }"""
ODD_NAMES = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "a" type: "Sigmoid" bottom: "data" top: "conv#2" }
layer { name: "b" type: "Sigmoid" bottom: "conv#2" top: "conv" }
layer { name: "c" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "c" type: "Sigmoid" bottom: "conv" top: "c.weight" }
layer { name: "d" type: "Sigmoid" bottom: "c.weight" top: "" }"""
IDLE = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "split" type: "Split" bottom: "data" top: "a" top: "b" }
layer { name: "drop" type: "Dropout" bottom: "b" top: "c" }"""


@pytest.mark.parametrize(
    ("text", "outputs"),
    [(IN_PLACE, ["data#2"]), (ODD_NAMES, ["_"]), (IDLE, ["a", "c"])],
    ids=["in place on the input", "names of names", "nothing to do"],
)
def test_names_are_caffes_and_given_once(text: str, outputs: list[str], tmp_path: Path) -> None:
    graph = graph_of(text)
    model = caffe2py.to_onnx(graph)
    assert [o.name for o in model.graph.output] == outputs
    made = [name for node in model.graph.node for name in node.output]
    assert len(made) == len(set(made)) and "data" not in made
    x = np.array([[-1, 0, 2], [3, -4, 5]], np.float32)
    values = run(model, {"data": x}, tmp_path).values()
    for value, wanted in zip(values, caffe2py.run(graph, {"data": x}).values(), strict=True):
        assert relative(value, wanted) <= FORWARD


class Twice(Layer):
    """Both tops are the same value, made by the layer."""

    def shapes(self, x: Shape) -> Sequence[Shape]:  # type: ignore[override]
        return [x, x]

    def onnx(self, g: Any, x: Any) -> Any:
        y = g.op("Sigmoid", x)
        return [y, y]


def test_one_value_as_two_tops(tmp_path: Path) -> None:
    graph = graph_of(IDLE)
    first, split, *rest = graph.nodes
    model = caffe2py.to_onnx(replace(graph, nodes=(first, replace(split, layer=Twice()), *rest)))
    values = run(model, {"data": np.zeros((2, 3), np.float32)}, tmp_path)
    assert [(name, float(top[0, 0])) for name, top in values.items()] == [("a", 0.5), ("c", 0.5)]


def test_bytes_that_are_no_utf8_are_written_out() -> None:
    text = 'layer { name: "\\377" type: "Input" top: "\\377" input_param { shape { dim: 1 } } }'
    model = caffe2py.to_onnx(graph_of(text + 'layer { name: "y" type: "ReLU" bottom: "\\377" top: "y" }'))
    assert model.graph.input[0].name == "\\xff"


# (what is asked for, the error)
REFUSED: dict[str, tuple[Callable[[], Graph], dict[str, object], str]] = {
    "an opset too low": (lambda: graph_of(SMALL), {"opset": 10}, "opset 10 is not written; want 11 to 23"),
    "a word": (lambda: graph_of(SMALL), {"axpy": "call"}, 'axpy is "call"; want "inline" or "function"'),
    "no weights": (lambda: graph_of(SMALL), {}, r'layer "conv/1" \(Convolution\): no weights were given'),
    "training": (
        lambda: graph_of(SE, weights=True, phase="TRAIN"),
        {},
        r'cannot be said in ONNX:\n  "bn" \(BatchNorm\): updates its statistics in phase TRAIN',
    ),
    "a batch": (
        lambda: graph_of(FREE["a batch that a Reshape fixes"][0]),
        {"batch": 4},
        r'layer "y" \(Reshape\): cannot make \(3, 2\) of \(4, 3\)',
    ),
    "a blob of unknown size": (
        lambda: graph_of(
            IN_PLACE.replace(
                '"ReLU"', '"Python" python_param { module: "rpn.anchor_target_layer" layer: "AnchorTargetLayer" }'
            )
        ),
        {},
        r'do not tell the shape of what they make:\n  "relu" \(Python\): serves training alone; want',
    ),
    "two layers of unknown type": (
        lambda: graph_of(IN_PLACE.replace("ReLU", "Rectify")),
        {},
        r'"relu" \(Rectify',
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_said_is_one_error(name: str) -> None:
    graph, options, message = REFUSED[name]
    with pytest.raises(CaffeError, match=message):
        caffe2py.to_onnx(graph(), **options)  # type: ignore[arg-type]


def test_a_number_too_large_for_float16() -> None:
    graph = graph_of(SMALL, weights=True)
    first = graph.nodes[1]
    data = np.full(first.weights[1].shape, 1e6, np.float32)
    large = replace(first, weights=(first.weights[0], replace(first.weights[1], data=data)))
    with pytest.raises(CaffeError, match=r'"conv/1.bias" holds 1e\+06; float16 goes up to 65504'):
        caffe2py.to_onnx(replace(graph, nodes=(graph.nodes[0], large, *graph.nodes[2:])), float16=True)


def pooling(seed: int) -> str:
    """A net of one Pooling with seeded sizes, kernels, strides and pads, also such that windows start outside."""
    random = np.random.RandomState(seed)
    kernel = random.randint(1, 6, 2)
    pad = [random.randint(0, k) for k in kernel] if random.rand() < 0.6 else [0, 0]
    words = {"kernel": kernel, "pad": pad, "stride": random.randint(1, 7, 2)}
    said = " ".join(f"{w}_h: {v[0]} {w}_w: {v[1]}" for w, v in words.items())
    kind = random.choice(["MAX", "AVE"])
    mask = 'top: "mask"' if kind == "MAX" and random.rand() < 0.3 else ""
    height, width = random.randint(5, 14, 2)
    return f"""layer {{ name: "data" type: "Input" top: "data"
      input_param {{ shape {{ dim: 2 dim: 3 dim: {height} dim: {width} }} }} }}
    layer {{ name: "y" type: "Pooling" bottom: "data" top: "y" {mask}
      pooling_param {{ pool: {kind} {said} round_mode: {random.choice(["CEIL", "CEIL", "FLOOR"])} }} }}"""


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_pooling_is_caffes_in_every_runtime(runtime: Runtime, tmp_path: Path) -> None:
    differ = []
    for seed in range(60):
        graph = graph_of(pooling(seed))
        x = np.random.RandomState(seed).uniform(-1, 1, graph.inputs["data"]).astype(np.float32)
        values = run(caffe2py.to_onnx(graph), {"data": x}, tmp_path, runtime)
        wanted = caffe2py.run(graph, {"data": x})
        if any(relative_difference(values[name], top) > FORWARD for name, top in wanted.items()):
            differ.append(pooling(seed))
    assert not differ, "\n".join(differ)
