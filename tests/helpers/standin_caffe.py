"""A stand-in for pycaffe that runs on caffe2py: what the recorder needs of it, and of its older forms.

Blobs are one buffer for each name, overwritten by layers that work in place, as in Caffe.
"""

from __future__ import annotations

import types
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

import caffe2py
from caffe2py.backends.torch.run import runner
from caffe2py.proto.schema import NetParameter


class Blob:
    def __init__(self, shape: tuple[int, ...]) -> None:
        self.data = np.zeros(shape, np.float32)

    def reshape(self, *shape: int) -> None:
        self.data = np.zeros(shape, np.float32)


class Net:
    """As pycaffe of 2017: `_forward`, `_top_ids`, layer types."""

    def __init__(self, prototxt: str, caffemodel: str, phase: int = 1) -> None:
        self.graph = caffe2py.load(prototxt, caffemodel, phase="TEST" if phase else "TRAIN")
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


def _load_image(path: str, colour: bool) -> np.ndarray:
    from PIL import Image

    image = np.asarray(Image.open(path).convert("RGB"), np.float32) / 255
    return image if colour else image.mean(2, keepdims=True)


def _resize_image(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    rows = np.arange(shape[0]) * image.shape[0] // shape[0]
    return image[rows][:, np.arange(shape[1]) * image.shape[1] // shape[1]]


def module(net: type[Net]) -> types.ModuleType:
    """The stand-in as a module, with the net of one age."""
    made: Any = types.ModuleType("caffe")
    made.Net = net
    made.proto = types.SimpleNamespace(caffe_pb2=types.SimpleNamespace(NetParameter=NetParameter))
    made.io = types.SimpleNamespace(load_image=_load_image, resize_image=_resize_image)
    if net is not NetOf2013:
        made.TRAIN, made.TEST = 0, 1
        made.set_mode_cpu = lambda: None
    return made  # type: ignore[no-any-return]
