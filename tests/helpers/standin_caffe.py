"""A stand-in for pycaffe that runs on caffe2py: what the recorder needs of it, and of its older forms.

Blobs are one buffer for each name, overwritten by layers that work in place, as in Caffe. Its `io` is as broken as that
of the last BVLC Caffe is beside a scikit-image of today.
"""

from __future__ import annotations

import os
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

import caffe2py
from caffe2py.backends.torch.run import runner
from caffe2py.graph import Node
from caffe2py.proto.schema import NetParameter
from caffe2py.proto.weights.read import read_weights
from tools import record_caffe_activations as recorder


class Blob:
    def __init__(self, shape: tuple[int, ...]) -> None:
        self.data = np.zeros(shape, np.float32)

    def reshape(self, *shape: int) -> None:
        self.data = np.zeros(shape, np.float32)


class Net:
    """As pycaffe of 2017: `_forward`, `_top_ids`, layer types."""

    def __init__(self, prototxt: str, caffemodel: str, phase: int = 1) -> None:
        self.fill(prototxt, caffemodel, phase)

    def fill(self, prototxt: str, caffemodel: str, phase: int, level: int = 0, stages: Sequence[str] = ()) -> None:
        choice: Any = {"phase": "TEST" if phase else "TRAIN", "level": level, "stages": stages}
        saved = read_weights(caffemodel).by_name
        net = caffe2py.load(prototxt, fill=1, **choice)  # Caffe fills what a caffemodel does not have
        self.graph = replace(net, nodes=tuple(map(partial(_taken, saved), net.nodes)))
        self.params = OrderedDict((n.name, [None] * len(n.weights)) for n in self.graph.nodes if n.weights)
        self.blobs = OrderedDict((v.blob, Blob(s or ())) for v, s in self.graph.shapes.items())
        self.inputs = list(self.graph.inputs)
        self._layer_names = [n.name for n in self.graph.nodes]
        self._blob_names = list(self.blobs)
        self.layers = [types.SimpleNamespace(type=n.type) for n in self.graph.nodes]
        self._running: Iterator[Any] | None = None

    def reshape(self) -> None:
        pass

    def _top_ids(self, i: int) -> list[int]:
        return [self._blob_names.index(v.blob) for v in self.graph.nodes[i].tops]

    def _bottom_ids(self, i: int) -> list[int]:
        return [self._blob_names.index(v.blob) for v in self.graph.nodes[i].bottoms]

    def _forward(self, first: int, last: int) -> float:
        if first == 0:
            fed = {blob: torch.from_numpy(self.blobs[blob].data.copy()) for blob in self.inputs}
            self._running = runner(self.graph).steps(fed)
        assert self._running is not None
        for _ in range(first, last + 1):
            with torch.no_grad():
                node, tops = next(self._running)
            for v, top in zip(node.tops, tops, strict=True):
                self.blobs[v.blob].data = top.numpy().copy()
        return 0.0


class NetOf2017(Net):
    """Takes a level and stages, and the weights by name."""

    def __init__(
        self,
        prototxt: str,
        second: Any,
        third: Any = 1,
        *,
        level: int = 0,
        stages: Sequence[str] = (),
        weights: str = "",
    ) -> None:
        files = (weights, second) if weights else (second, third)
        self.fill(prototxt, *files, level, stages)


class NetOf2015(Net):
    """Neither `_forward` nor blob numbers in sight: `forward(start, end)` and the prototxt must do."""

    _forward = _top_ids = _bottom_ids = property()  # type: ignore[assignment]

    def forward(self, blobs: Any = None, start: str | None = None, end: str | None = None) -> None:
        first = 0 if start is None else self._layer_names.index(start)
        last = len(self._layer_names) - 1 if end is None else self._layer_names.index(end)
        Net._forward(self, first, last)


class NetOf2013(Net):
    """Runs as a whole only, and is told its phase and mode itself."""

    _forward = _top_ids = _bottom_ids = property()  # type: ignore[assignment]

    def __init__(self, prototxt: str, caffemodel: str) -> None:
        super().__init__(prototxt, caffemodel)
        self.told: list[str] = []
        self.layers = [types.SimpleNamespace() for _ in self.layers]

    def set_phase_test(self) -> None:
        self.told.append("test")

    def set_mode_cpu(self) -> None:
        self.told.append("cpu")

    def forward(self) -> None:
        Net._forward(self, 0, len(self._layer_names) - 1)


def _taken(saved: Any, node: Node) -> Node:
    blobs = saved[node.name].blobs if node.name in saved else []
    weights = [replace(w, data=b.data) for w, b in zip(node.weights, blobs, strict=False)]
    return replace(node, weights=(*weights, *node.weights[len(weights) :]))


def _load_image(path: str, colour: bool = True) -> np.ndarray:
    raise TypeError("imread() got an unexpected keyword argument 'as_grey'")


def _resize_image(image: np.ndarray, shape: tuple[int, ...], order: int = 1) -> np.ndarray:
    raise ImportError("cannot import name 'zoom' from 'scipy.ndimage'")


def module(net: type[Net]) -> types.ModuleType:
    """The stand-in as a module, with the net of one age."""
    made: Any = types.ModuleType("caffe")
    made.Net = net
    made.proto = types.SimpleNamespace(caffe_pb2=types.SimpleNamespace(NetParameter=NetParameter))
    made.io = types.SimpleNamespace(load_image=_load_image, resize_image=_resize_image)
    if net is not NetOf2013:
        made.TRAIN, made.TEST = 0, 1
        made.set_mode_cpu = lambda: None
        made.set_device = made.set_mode_gpu = lambda *_: os._exit(134)  # built without CUDA
    return made  # type: ignore[no-any-return]


def record(monkeypatch: pytest.MonkeyPatch, arguments: list[str], net: type[Net] = Net) -> int:
    """Run the recorder beside the stand-in; its exit status."""
    monkeypatch.setitem(sys.modules, "caffe", module(net))
    return recorder.main(arguments)


STAGED = """name: "staged"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 4 } } }
layer { name: "a" type: "InnerProduct" bottom: "data" top: "a" inner_product_param { num_output: 3 } }
layer { name: "b" type: "ReLU" bottom: "a" top: "b" include { stage: "deploy" min_level: 2 } }
"""
