"""The smallest fault that `verify` finds: by kind of layer, in per cent of one weight, on a picture of flat tiles."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

import caffe2py
from caffe2py.graph import Graph, Node
from tools.make_caffemodel import make_caffemodel
from tools.make_manifest import make_manifest

NET = Path(__file__).resolve().parents[2] / "models" / "prototxt" / "SE-ResNet-50.prototxt"
TRIED = 0.01  # the change that is made; errors grow in proportion to it
SAMPLES = 256
Choice = Callable[[np.ndarray], int]  # of one weight of an output

# What is told, the layer, its blob
KINDS = {
    "Convolution 7x7, 147 terms": ("conv1/7x7_s2", 0),
    "Convolution 1x1, 64 terms": ("conv2_1_1x1_increase", 0),
    "Convolution 3x3, 576 terms": ("conv2_2_3x3", 0),
    "Convolution 3x3, 4608 terms": ("conv5_2_3x3", 0),
    "Convolution 1x1, 2048 terms": ("conv5_3_1x1_reduce", 0),
    "Convolution behind a global pooling": ("conv2_1_1x1_down", 0),
    "its second": ("conv2_1_1x1_up", 0),
    "InnerProduct, 2048 terms": ("classifier", 0),
    "BatchNorm: a mean": ("conv3_1_3x3/bn", 0),
    "BatchNorm: a variance": ("conv3_1_3x3/bn", 1),
    "Scale: a factor": ("conv3_1_3x3/bn/scale", 0),
    "Scale: a bias": ("conv3_1_3x3/bn/scale", 1),
}
CHOICES: dict[str, Choice] = {
    "largest": lambda w: int(np.abs(w).argmax()),
    "median": lambda w: int(np.argsort(np.abs(w))[w.size // 2]),
}


def main() -> None:
    with net() as graph, tempfile.TemporaryDirectory() as folder:
        print(f"  {'':<38} {'whole dump':^21}   {f'{SAMPLES} values a layer':^21}")
        print(f"  {'per cent of one weight that is found':<38}" + 2 * f" {'largest':>10} {'median':>10}  ")
        for kind, (layer, blob) in KINDS.items():
            found = [
                smallest(graph, changed(graph, layer, blob, choice), layer, Path(folder) / "dump.h5", samples)
                for samples in (None, SAMPLES)
                for choice in CHOICES.values()
            ]
            said = [f"{100 * f:10.2g}" for f in found]
            print(f"  {kind:<38} {said[0]} {said[1]}   {said[2]} {said[3]}", flush=True)


@contextmanager
def net() -> Iterator[Graph]:
    """SE-ResNet-50 with synthetic weights."""
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "net.caffemodel"
        make_caffemodel(make_manifest(caffe2py.load(NET)), weights)
        yield caffe2py.load(NET, weights)


def picture() -> np.ndarray:
    """Sixteen tiles, half of them flat as a sky is, half textured; less the mean, as nets are fed."""
    draw = np.random.RandomState(1)
    tiles = draw.uniform(-120, 130, (1, 3, 4, 4)).repeat(56, 2).repeat(56, 3)
    noise = draw.uniform(-30, 30, tiles.shape) * (np.indices((224, 224)).sum(0) // 56 % 2)
    return np.clip(tiles + noise, -123, 151).astype(np.float32)


def changed(graph: Graph, layer: str, index: int, choice: Choice) -> Graph:
    """The net with one weight of the middle output of a layer made larger."""

    def faulty(node: Node) -> Node:
        weights = list(node.weights)
        data = np.array(weights[index].data)
        middle = data[len(data) // 2 :].reshape(-1) if data.ndim == 1 else data[len(data) // 2].reshape(-1)
        middle[choice(middle)] *= 1 + TRIED
        weights[index] = replace(weights[index], data=data)
        return replace(node, weights=tuple(weights))

    return replace(graph, nodes=tuple(faulty(n) if n.name == layer else n for n in graph.nodes))


def smallest(right: Graph, wrong: Graph, layer: str, dump: Path, samples: int | None) -> float:
    """The share of the weight at which the error of its layer reaches the bar."""
    caffe2py.record(wrong, {"data": picture()}, dump, samples)
    report = caffe2py.verify(right, dump, diagnose=False)
    row = next(row for row in report.layers if row.name == layer)
    assert row.bar is not None and row.error is not None
    return TRIED * row.bar / row.error if row.error else float("inf")


if __name__ == "__main__":
    main()
