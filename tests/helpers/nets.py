"""Small nets for tests: text, weights that fit, and a run of the command line in this process."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import numpy as np

import caffe2py
from caffe2py.cli import main
from caffe2py.graph import Graph
from caffe2py.graph.build import build
from caffe2py.proto.filter import filter_net
from caffe2py.proto.net import parse_net
from caffe2py.proto.schema import NetParameter
from caffe2py.proto.weights.caffemodel import write_caffemodel

SMALL = """name: "small net"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 9 dim: 7 } } }
layer { name: "conv/1" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 5 kernel_size: 3 } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" batch_norm_param { use_global_stats: true } }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param { num_output: 4 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
layer { name: "gate" type: "Sigmoid" bottom: "pool" top: "gate" }
"""

TINY = """name: "tiny"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 2 dim: 5 } } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 2 } }
"""


def graph_of(text: str, weights: bool = False, phase: str = "TEST", stages: Sequence[str] = ()) -> Graph:
    """The graph of a text, with seeded weights where they are wanted."""
    net = filter_net(parse_net(text, "net.prototxt"), phase=phase, level=0, stages=tuple(stages))
    graph = build(net, phase=phase)
    return with_weights(graph, random_weights(graph)) if weights else graph


def with_weights(graph: Graph, arrays: Mapping[str, Sequence[np.ndarray]]) -> Graph:
    """The graph with these weights, by layer."""
    nodes = [
        replace(n, weights=tuple(replace(w, data=arrays[w.owner[0]][w.owner[1]]) for w in n.weights))
        for n in graph.nodes
    ]
    return replace(graph, nodes=tuple(nodes))


def steady(graph: Graph) -> Graph:
    """The graph with seeded weights by which a deep net neither explodes nor fades, and no input is lost."""
    made = random_weights(graph)
    for blobs in made.values():
        if blobs[0].ndim > 1:
            blobs[0] = (blobs[0] - 0.5) * np.float32((6 / blobs[0][0].size) ** 0.5)
    return with_weights(graph, made)


def random_weights(graph: Graph, seed: int = 7) -> dict[str, list[np.ndarray]]:
    """Seeded values for every learned blob; positive ones for statistics."""
    random = np.random.RandomState(seed)
    arrays: dict[str, list[np.ndarray]] = {}
    for node, _, weight in graph.owned_weights():
        low = 0.5 if node.type == "BatchNorm" else -0.5
        arrays.setdefault(node.key, []).append(random.uniform(low, 1.5, weight.shape).astype(np.float32))
    return arrays


def write_net(
    folder: Path,
    text: str = SMALL,
    blobs: Mapping[str, Sequence[np.ndarray]] | None = None,
    inputs: Mapping[str, Sequence[int]] | None = None,
) -> tuple[Path, Path]:
    """net.prototxt and net.caffemodel in a folder; `inputs` are the shapes of inputs that the text does not tell."""
    prototxt, caffemodel = folder / "net.prototxt", folder / "net.caffemodel"
    prototxt.write_text(text)
    graph = caffe2py.load(prototxt, inputs=inputs)
    message = NetParameter(name=graph.name)
    assert graph.net is not None
    message.layer.extend(layer.message for layer in graph.net.layers)
    write_caffemodel(caffemodel, message, random_weights(graph) if blobs is None else blobs)
    return prototxt, caffemodel


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str


def command(*words: object) -> Done:
    """`caffe2py WORDS...` in this process."""
    out, err = io.StringIO(), io.StringIO()
    status = 0
    with (
        mock.patch.object(sys, "argv", ["caffe2py", *map(str, words)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
    return Done(status, out.getvalue(), err.getvalue())
