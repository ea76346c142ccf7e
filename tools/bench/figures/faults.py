"""The smallest fault that `verify` finds: by kind of layer, in per cent of one weight, on a picture with flat parts.

One weight of each output is made one per cent larger, the median one in size. How far the output's values move, beside
the bar of the layer, tells how much of a change would have been found: errors grow in proportion to it. Outputs whose
weight meets nothing but zeros cannot show it, and are left out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

import caffe2py
from caffe2py.graph import Graph, Node
from caffe2py.proof.dumps.writing import take_sample
from tools.make_caffemodel import make_caffemodel
from tools.make_manifest import make_manifest

NET = Path(__file__).resolve().parents[3] / "models" / "prototxt" / "SE-ResNet-50.prototxt"
TRIED = 0.01  # of each weight
SAMPLES = 256
HEADS = ("per cent of one weight", "whole dump, best", "median", f"{SAMPLES} values a layer, best", "median")

# What is told, the layer, its blob
KINDS = {
    "Convolution 7x7, 147 terms": ("conv1/7x7_s2", 0),
    "Convolution 1x1, 64 terms": ("conv2_1_1x1_increase", 0),
    "Convolution 3x3, 576 terms": ("conv3_2_3x3", 0),
    "Convolution 3x3, 4608 terms": ("conv5_2_3x3", 0),
    "Convolution 1x1, 2048 terms": ("conv5_3_1x1_reduce", 0),
    "Convolution behind a global average of 56x56": ("conv2_1_1x1_down", 0),
    "Convolution behind one of 7x7": ("conv5_1_1x1_down", 0),
    "InnerProduct, 2048 terms": ("classifier", 0),
    "BatchNorm, a mean": ("conv3_1_3x3/bn", 0),
    "BatchNorm, a variance": ("conv3_1_3x3/bn", 1),
    "Scale, a factor": ("conv3_1_3x3/bn/scale", 0),
    "Scale, a bias": ("conv3_1_3x3/bn/scale", 1),
}


def rows() -> Iterator[Sequence[str]]:
    with net() as graph:
        right = caffe2py.run(graph, picture(), record="layers")
        bars = bars_of(graph)
        for kind, (layer, blob) in KINDS.items():
            wrong = caffe2py.run(changed(graph, layer, blob), picture(), record="layers")[layer][0]
            top, bar = right[layer][0], bars[layer]
            cells: list[str] = []
            for found, over in ((errors(top, wrong), bar[0]), (sampled_errors(top, wrong, f"{layer}/0"), bar[1])):
                shares = 100 * TRIED * over / found[found > 0]
                cells += [f"{shares.min():.2g}", f"{np.median(shares):.2g}"] if shares.size else ["-", "-"]
            yield kind, *cells


@contextmanager
def net() -> Iterator[Graph]:
    """SE-ResNet-50 with synthetic weights."""
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "net.caffemodel"
        make_caffemodel(make_manifest(caffe2py.load(NET)), weights)
        yield caffe2py.load(NET, weights)


def picture() -> dict[str, np.ndarray]:
    """Sixteen tiles, half of them flat as a sky is, half textured; less the mean, as nets are fed."""
    draw = np.random.RandomState(1)
    tiles = draw.uniform(-120, 130, (1, 3, 4, 4)).repeat(56, 2).repeat(56, 3)
    noise = draw.uniform(-30, 30, tiles.shape) * (np.indices((224, 224)).sum(0) // 56 % 2)
    return {"data": np.clip(tiles + noise, -123, 151).astype(np.float32)}


def bars_of(graph: Graph) -> dict[str, list[float]]:
    """The bar of each layer's error, in a whole dump and in a sampled one."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for samples in (None, SAMPLES):
            caffe2py.record(graph, picture(), f"{folder}/dump.h5", samples)
            for row in caffe2py.verify(graph, f"{folder}/dump.h5").layers:
                assert row.bar is not None
                found.setdefault(row.name, []).append(row.bar)
    return found


def changed(graph: Graph, layer: str, index: int) -> Graph:
    """The net with one weight of each output of a layer made larger."""

    def faulty(node: Node) -> Node:
        weights = list(node.weights)
        data = np.array(weights[index].data)
        rows = data.reshape(len(data), -1)
        middle = np.argsort(np.abs(rows), axis=1)[:, rows.shape[1] // 2]
        rows[np.arange(len(rows)), middle] *= 1 + TRIED
        weights[index] = replace(weights[index], data=data)
        return replace(node, weights=tuple(weights))

    return replace(graph, nodes=tuple(faulty(n) if n.name == layer else n for n in graph.nodes))


def errors(right: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """The largest error of each output, as `verify` measures errors."""
    apart = np.abs(right.astype(np.float64) - wrong) / np.abs(right).max()
    largest: np.ndarray = apart.max(axis=(0, *range(2, apart.ndim)))
    return largest


def sampled_errors(right: np.ndarray, wrong: np.ndarray, key: str) -> np.ndarray:
    """The same at the places that a sampled dump holds."""
    seen = np.zeros(right.size, bool)
    seen[take_sample(right, SAMPLES, key).index] = True
    return errors(right, np.where(seen.reshape(right.shape), wrong, right))
