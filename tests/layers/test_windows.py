"""Convolution, Deconvolution and Im2col of any shape that Caffe takes, against its loops once more, place by place."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

import caffe2py
from caffe2py.graph import Graph
from tests.helpers.nets import graph_of
from tests.helpers.runtimes import in_onnxruntime

FLOAT32 = 1e-5  # of the largest value: sums of a few hundred products
Array = np.ndarray


@dataclass(frozen=True)
class Window:
    """A kernel over the spatial axes behind the channels; x has the shape given."""

    shape: tuple[int, ...]
    axis: int
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[int, ...]
    dilation: tuple[int, ...]
    outputs: int = 4
    group: int = 1
    bias: bool = True

    def text(self, type_: str) -> str:
        words = {"kernel_size": self.kernel or (3,), "stride": self.stride, "pad": self.pad, "dilation": self.dilation}
        said = " ".join(f"{word}: {n}" for word, values in words.items() for n in values)
        more = f"num_output: {self.outputs} group: {self.group} bias_term: {str(self.bias).lower()}"
        dims = " ".join(f"dim: {n}" for n in self.shape)
        return f"""layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ {dims} }} }} }}
        layer {{ name: "y" type: "{type_}" bottom: "x" top: "y"
          convolution_param {{ axis: {self.axis} {said} {more if type_ != "Im2col" else ""} }} }}"""

    def taps(self) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Each tap of the kernel, and how far it is from the first."""
        for tap in itertools.product(*map(range, self.kernel)):
            yield tap, tuple(t * d for t, d in zip(tap, self.dilation, strict=True))

    def extent(self) -> list[int]:
        return [d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True)]

    def columns(self, x: Array) -> Array:
        """im2col.cpp: (batch, channels, taps, top's places), zeros outside the image. C divides towards 0."""
        x = x.reshape(-1, *x.shape[self.axis :])
        moves = zip(x.shape[2:], self.pad, self.extent(), self.stride, strict=True)
        sized = [int((n + 2 * p - e) / s) + 1 for n, p, e, s in moves]
        found = np.zeros((*x.shape[:2], math.prod(self.kernel), *sized))
        for (i, (_, far)), place in itertools.product(enumerate(self.taps()), itertools.product(*map(range, sized))):
            at = tuple(o * s - p + f for o, s, p, f in zip(place, self.stride, self.pad, far, strict=True))
            if all(0 <= a < n for a, n in zip(at, x.shape[2:], strict=True)):
                found[(slice(None), slice(None), i, *place)] = x[(slice(None), slice(None), *at)]
        return found


def im2col(w: Window, x: Array) -> Array:
    found = w.columns(x)
    return found.reshape(*x.shape[: w.axis], -1, *found.shape[3:])


def convolution(w: Window, x: Array, weight: Array, *bias: Array) -> Array:
    columns = w.columns(x)
    n, channels, taps, *sized = columns.shape
    parts = columns.reshape(n, w.group, channels // w.group * taps, -1)
    rows = weight.astype(np.float64).reshape(w.group, w.outputs // w.group, -1)
    y = np.einsum("gok,ngkp->ngop", rows, parts).reshape(*x.shape[: w.axis], w.outputs, *sized)
    return y + bias[0].reshape(-1, *[1] * len(sized)) if bias else y


def deconvolution(w: Window, x: Array, weight: Array, *bias: Array) -> Array:
    """col2im.cpp: each value of x spread over the places that its window covers."""
    images = x.reshape(-1, *x.shape[w.axis :])
    moves = zip(images.shape[2:], w.stride, w.extent(), w.pad, strict=True)
    sized = [s * (n - 1) + e - 2 * p for n, s, e, p in moves]
    y = np.zeros((len(images), w.outputs, *sized))
    for c, o in itertools.product(range(images.shape[1]), range(w.outputs // w.group)):
        top = c // (images.shape[1] // w.group) * (w.outputs // w.group) + o
        for (tap, far), place in itertools.product(w.taps(), itertools.product(*map(range, images.shape[2:]))):
            at = tuple(i * s - p + f for i, s, p, f in zip(place, w.stride, w.pad, far, strict=True))
            if all(0 <= a < n for a, n in zip(at, sized, strict=True)):
                y[(slice(None), top, *at)] += images[(slice(None), c, *place)] * weight[(c, o, *tap)]
    y = y.reshape(*x.shape[: w.axis], w.outputs, *sized)
    return y + bias[0].reshape(-1, *[1] * len(sized)) if bias else y


LOOPS = {"Im2col": im2col, "Convolution": convolution, "Deconvolution": deconvolution}
ODD = {
    "no spatial axes": Window((3, 4), 1, (), (), (), ()),
    "no spatial axes, groups": Window((3, 4), 1, (), (), (), (), group=2),
    "no spatial axes, two before the channels": Window((2, 3, 4), 2, (), (), (), (), bias=False),
    "channels first": Window((4, 5, 6), 0, (3, 2), (1, 2), (0, 1), (1, 1)),
    "a window larger than the image": Window((2, 4, 3, 7), 1, (5, 3), (3, 2), (0, 0), (1, 1)),
    "a window larger than the padded image": Window((2, 4, 2, 7), 1, (3, 2), (5, 2), (1, 0), (3, 1), group=2),
    "dilation 0": Window((2, 4, 5, 6), 1, (3, 2), (1, 2), (0, 1), (0, 2)),
    "dilation 0 of one tap": Window((2, 4, 5, 6), 1, (1, 1), (1, 1), (0, 0), (0, 0)),
    "dilation 0 on both axes": Window((2, 4, 5), 1, (3,), (2,), (1,), (0,), group=4),
    "three axes": Window((1, 2, 3, 4, 5), 1, (2, 3, 2), (1, 2, 2), (1, 0, 1), (1, 1, 2), outputs=2, group=2),
    "four axes": Window((2, 3, 2, 3, 2), 0, (2, 1, 2, 2), (1, 2, 1, 1), (1, 0, 1, 0), (1, 1, 2, 1), group=2),
    "four axes, some of dilation 0": Window((2, 3, 2, 3, 2), 0, (2, 2, 1, 2), (1, 1, 1, 2), (0, 1, 0, 1), (0, 1, 1, 1)),
}
NONE = {("Im2col", name) for name in ODD if name.startswith("no spatial")}


def filled(text: str) -> tuple[Graph, list[Array]]:
    graph = graph_of(text, weights=True)
    return graph, graph.node("y").blobs()


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("type_", LOOPS)
def test_windows(type_: str, name: str, tmp_path: Path) -> None:
    w = ODD[name]
    if (type_, name) in NONE:
        with pytest.raises(caffe2py.CaffeError, match="has no spatial axes"):
            graph_of(w.text(type_))
        return
    graph, blobs = filled(w.text(type_))
    x = np.random.RandomState(1).uniform(-1, 1, w.shape).astype(np.float32)
    want = LOOPS[type_](w, x.astype(np.float64), *blobs)
    for style in ("exact", "flat"):
        found = caffe2py.run(graph, {"x": x}, style=style, dtype="float64")["y"]
        np.testing.assert_allclose(found, want, rtol=1e-12, atol=1e-12, strict=True)  # both sides compute in float64
    path = tmp_path / "net.onnx"
    caffe2py.convert(graph, path)
    found = in_onnxruntime(path, ["y"])({"x": x})["y"]
    np.testing.assert_allclose(found, want, rtol=FLOAT32, atol=FLOAT32 * np.abs(want).max())


def test_a_module_follows_the_size_of_its_image() -> None:
    """What is put behind a small image is worked out when the module runs: a larger image needs none of it."""
    w = ODD["a window larger than the image"]
    graph, blobs = filled(w.text("Convolution"))
    module = caffe2py.to_torch(graph)

    large = np.random.RandomState(2).uniform(-1, 1, (2, 4, 9, 11)).astype(np.float32)
    with torch.no_grad():
        found = module(torch.from_numpy(large)).numpy()
    want = convolution(w, large.astype(np.float64), *blobs)
    np.testing.assert_allclose(found, want, rtol=FLOAT32, atol=FLOAT32 * np.abs(want).max())
