"""Layers over the memory that they read, and blobs in one memory: what Caffe's code makes of them, and who is told."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch

import caffe2py
from caffe2py.errors import UnsupportedError
from caffe2py.graph import Graph
from tests.helpers.layer_cases import Arrays
from tests.helpers.nets import graph_of
from tests.helpers.runtimes import in_onnxruntime

HEAD = """name: "n"
layer { name: "in" type: "Input" top: "x" top: "y" input_param { SHAPE SHAPE } }
layer { name: "a" type: "Power" bottom: "x" top: "a" }
layer { name: "b" type: "Power" bottom: "y" top: "b" }
"""
LOWEST = np.float32(-3.4028234663852886e38)
RELU = 'layer { name: "r" type: "ReLU" bottom: "s" top: "s" }'


def text(layers: str, shape: tuple[int, ...] = (2, 4, 3, 5)) -> str:
    said = " ".join(f"dim: {d}" for d in shape)
    return HEAD.replace("SHAPE", f"shape {{ {said} }}") + layers


def each_channel(bias: np.ndarray, like: np.ndarray) -> np.ndarray:
    return np.zeros_like(like) + bias.reshape(-1, *[1] * (like.ndim - 2))


def lrn_scale(x: np.ndarray) -> np.ndarray:
    padded = np.pad(x**2, ((0, 0), (1, 1), (0, 0), (0, 0)))
    return 2 + 3 / 3 * sum(padded[:, i : i + x.shape[1]] for i in range(3))


# Layers behind HEAD, what its outputs are by Caffe's code (x, y, and the learned blobs), and a word of the note.
Case = tuple[str, Callable[[np.ndarray, np.ndarray, list[np.ndarray]], Arrays], str]
CASES: dict[str, Case] = {
    "sum": (
        'layer { name: "s" type: "Eltwise" bottom: "a" bottom: "b" top: "a" eltwise_param { coeff: 3 coeff: -2 } }',
        lambda x, y, w: {"a": -2 * y},
        "starts the sum from 0",
    ),
    "sum whose last is in the same memory": (
        'layer { name: "s" type: "Split" bottom: "a" top: "s" top: "t" } '
        'layer { name: "e" type: "Eltwise" bottom: "s" bottom: "b" bottom: "t" top: "s" '
        "eltwise_param { coeff: 1 coeff: 2 coeff: 3 } }",
        lambda x, y, w: {"s": 2 * y * 4},
        "starts the sum from 0",
    ),
    "maximum": (
        'layer { name: "s" type: "Eltwise" bottom: "a" bottom: "b" top: "a" eltwise_param { operation: MAX } }',
        lambda x, y, w: {"a": y},
        "lowest number",
    ),
    "product of three": (
        'layer { name: "s" type: "Split" bottom: "a" top: "s" top: "t" } '
        'layer { name: "e" type: "Eltwise" bottom: "s" bottom: "b" bottom: "t" top: "s" '
        "eltwise_param { operation: PROD } }",
        lambda x, y, w: {"s": (x * y) ** 2},
        "multiplies",
    ),
    "LRN": (
        'layer { name: "s" type: "LRN" bottom: "a" top: "a" lrn_param { local_size: 3 alpha: 3 beta: 0.5 k: 2 } }',
        lambda x, y, w: {"a": 1 / lrn_scale(x), "b": y},
        "squared",
    ),
    "window of 1": (
        'layer { name: "s" type: "Convolution" bottom: "a" top: "a" '
        "convolution_param { num_output: 4 kernel_size: 1 group: 2 } }",
        lambda x, y, w: {"a": each_channel(w[1], x), "b": y},
        "clears the top",
    ),
    "one of two windows": (
        'layer { name: "s" type: "Deconvolution" bottom: "a" bottom: "b" top: "a" top: "t" '
        "convolution_param { num_output: 4 kernel_size: 1 bias_term: false } }",
        lambda x, y, w: {"a": 0 * x, "t": np.einsum("ncij,cd->ndij", y, w[0][:, :, 0, 0])},
        "clears the top",
    ),
    "maxima": (
        'layer { name: "s" type: "Pooling" bottom: "a" top: "a" top: "i" pooling_param { kernel_size: 3 pad: 1 } }',
        lambda x, y, w: {"a": np.full_like(x, LOWEST), "i": np.full_like(x, -1), "b": y},
        "fills the top",
    ),
    "averages": (
        'layer { name: "s" type: "Pooling" bottom: "a" top: "a" pooling_param { pool: AVE kernel_size: 3 pad: 1 } }',
        lambda x, y, w: {"a": 0 * x, "b": y},
        "fills the top",
    ),
    "a Split": (
        'layer { name: "s" type: "Split" bottom: "a" top: "s" top: "t" } ' + RELU,
        lambda x, y, w: {"s": np.maximum(x, 0), "t": np.maximum(x, 0), "b": y},
        'writes over "t" too',
    ),
    "a Split, read before": (
        'layer { name: "s" type: "Split" bottom: "a" top: "s" top: "t" } '
        f'layer {{ name: "u" type: "Power" bottom: "t" top: "u" }} {RELU}',
        lambda x, y, w: {"s": np.maximum(x, 0), "u": x, "b": y},
        "",
    ),
    "a Flatten": (
        'layer { name: "s" type: "Flatten" bottom: "a" top: "s" } '
        f'{RELU} layer {{ name: "u" type: "Power" bottom: "a" top: "u" power_param {{ scale: 2 }} }}',
        lambda x, y, w: {"s": np.maximum(x, 0).reshape(2, -1), "u": 2 * np.maximum(x, 0), "b": y},
        'writes over "a" too',
    ),
    "a Permute that changes nothing": (
        'layer { name: "s" type: "Permute" bottom: "a" top: "s" permute_param { order: 0 } } '
        f'{RELU} layer {{ name: "u" type: "Power" bottom: "a" top: "u" power_param {{ scale: 2 }} }}',
        lambda x, y, w: {"s": np.maximum(x, 0), "u": 2 * np.maximum(x, 0), "b": y},
        'writes over "a" too',
    ),
    "two in place in one memory": (
        'layer { name: "s" type: "Split" bottom: "a" top: "s" top: "t" } '
        f'{RELU} layer {{ name: "u" type: "Power" bottom: "t" top: "t" power_param {{ shift: 1 }} }}',
        lambda x, y, w: {"s": np.maximum(x, 0) + 1, "t": np.maximum(x, 0) + 1, "b": y},
        'writes over "t" too',
    ),
    "what reads before it writes": (
        'layer { name: "s" type: "Convolution" bottom: "a" top: "a" '
        "convolution_param { num_output: 4 kernel_size: 3 pad: 1 bias_term: false } } "
        'layer { name: "m" type: "MVN" bottom: "b" top: "b" }',
        lambda x, y, w: {},
        "",
    ),
}
INNER = 'layer { name: "s" type: "InnerProduct" bottom: "a" top: "a" inner_product_param { num_output: 4 } }'
AXPY = 'layer { name: "s" type: "Axpy" bottom: "a" bottom: "b" bottom: "y" top: "a" }'
FLAT: dict[str, Case] = {
    "InnerProduct": (INNER, lambda x, y, w: {"a": np.zeros_like(x) + w[1], "b": y}, "clears the top"),
    "Axpy": (AXPY, lambda x, y, w: {"a": y * y + y}, "copies y over the scale"),
}
ALL = [(n, (2, 4, 3, 5), *c) for n, c in CASES.items()] + [(n, (2, 4), *c) for n, c in FLAT.items()]


def inputs(graph: Graph) -> Arrays:
    random = np.random.RandomState(3)
    return {blob: random.randn(*(shape or ())).astype(np.float32) for blob, shape in graph.inputs.items()}


@pytest.mark.parametrize("name, shape, layers, expected, said", ALL, ids=[case[0] for case in ALL])
def test_what_caffe_computes(
    name: str, shape: tuple[int, ...], layers: str, expected: Callable[..., Arrays], said: str
) -> None:
    graph = graph_of(text(layers, shape), weights=True)
    given = inputs(graph)
    wanted = expected(given["x"], given["y"], [w.data for n in graph.nodes for w in n.weights])
    assert (said in "".join(graph.number_notes)) if said else not graph.number_notes
    runs = {style: caffe2py.run(graph, given, style=style) for style in ("exact", "flat")}
    runs["ONNX"] = in_onnxruntime(caffe2py.to_onnx(graph), graph.outputs)(given)
    for blob, value in wanted.items():
        for view, tops in runs.items():
            np.testing.assert_allclose(tops[blob], value, rtol=2e-5, atol=1e-5, err_msg=f"{view}: {blob}")
    assert set(runs["exact"]) == (set(wanted) or set(runs["exact"]))


def test_every_blob_at_the_end() -> None:
    graph = graph_of(text(CASES["two in place in one memory"][0]))
    given = inputs(graph)
    blobs = caffe2py.run(graph, given, record="blobs")
    for blob in ("a", "s", "t"):
        np.testing.assert_array_equal(blobs[blob], np.maximum(given["x"], 0) + 1)
    np.testing.assert_array_equal(blobs["x"], given["x"])


UNSAYABLE = {
    "a smaller top": (
        'layer { name: "s" type: "Pooling" bottom: "a" top: "a" pooling_param { kernel_size: 3 } }',
        "of another size",
    ),
    "samples over samples": (
        'layer { name: "i" type: "Input" top: "i" input_param { shape { dim: 2 } } } '
        'layer { name: "s" type: "BatchReindex" bottom: "a" bottom: "i" top: "a" }',
        "still has to read",
    ),
    "axes over axes": (
        'layer { name: "s" type: "Permute" bottom: "a" top: "a" permute_param { order: 0 order: 2 order: 1 } }',
        "still has to read",
    ),
    "rows over rows": ('layer { name: "s" type: "Reverse" bottom: "a" top: "a" }', "still has to read"),
    "columns over columns": ('layer { name: "s" type: "Flip" bottom: "a" top: "a" }', "still has to read"),
    "channels over channels": (
        'layer { name: "s" type: "ShuffleChannel" bottom: "a" top: "a" shuffle_channel_param { group: 2 } }',
        "still has to read",
    ),
    "windows over pixels": (
        'layer { name: "s" type: "Im2col" bottom: "b" top: "b" '
        "convolution_param { kernel_size: [3, 1] stride: [3, 1] } }",
        "still has to read",
    ),
}


@pytest.mark.parametrize("layers, said", UNSAYABLE.values(), ids=UNSAYABLE)
def test_what_nobody_can_say_is_shown_and_not_computed(layers: str, said: str) -> None:
    graph = graph_of(text(layers))
    assert re.findall(r'"(\w+)"', layers.split('name: "s" type: ')[1])[0] in str(graph)
    for compute in (caffe2py.to_torch, caffe2py.to_onnx):
        with pytest.raises(UnsupportedError, match=said):
            compute(graph)


def test_the_emitted_file_stands_alone() -> None:
    scope: dict[str, object] = {"__name__": "emitted", "__file__": __file__}
    exec(caffe2py.to_source(graph_of(text(CASES["maximum"][0])), "exact"), scope)
    made = scope["N"]()  # type: ignore[operator]
    x, y = torch.ones(2, 4, 3, 5), torch.zeros(2, 4, 3, 5)
    torch.testing.assert_close(made(x, y), y)
