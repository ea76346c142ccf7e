"""The net as one function: a batch of pixels in, the scores of its classes out, by torch or by onnxruntime.

Scores are what the last Softmax reads: the same order as its probabilities, without the ties that rounding makes of
them where a net is sure, or runs in half precision.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import torch

from caffe2py.backends.onnx.model import OnnxProgram
from caffe2py.backends.onnx.session import Session
from caffe2py.backends.optimized import BACKENDS, chosen, fast_module
from caffe2py.backends.torch.device import fast_layout, find_device, full_float32
from caffe2py.errors import CaffeError
from caffe2py.evaluate.pictures.preprocessing import Preprocessing
from caffe2py.graph import Graph, Value
from caffe2py.layers.base import text
from caffe2py.passes import only_outputs

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
Later = Callable[[], np.ndarray]  # the scores (batch, classes) of a batch that may still be running


@dataclass(frozen=True)
class Engine:
    """What runs the net: `backend` as `caffe2py.optimized` names it; `device` as torch does: cpu, cuda, cuda:1, mps.

    `compile` is torch.compile. Where that or another `precision` than fp32 is asked for, auto is torch.
    """

    backend: str = "auto"
    device: str = "cpu"
    precision: str = "fp32"
    compile: bool = False

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise CaffeError(f'no backend "{self.backend}"; want one of {", ".join(BACKENDS)}')
        if self.precision not in PRECISIONS:
            raise CaffeError(f'no precision "{self.precision}"; want one of {", ".join(PRECISIONS)}')
        if self.backend == "onnxruntime" and self.torch_alone:
            raise CaffeError("the backend onnxruntime runs in fp32 and compiles nothing; want --backend torch for that")

    @property
    def torch_alone(self) -> bool:
        """Is something asked for that only torch does?"""
        return self.compile or self.precision != "fp32"


@dataclass(frozen=True)
class Network:
    """A net that gives scores. `start` takes pixels (batch, height, width, channels), uint8; `backend` runs it."""

    classes: int
    backend: str
    start: Callable[[np.ndarray], Later]


def network(graph: Graph, how: Preprocessing, engine: Engine) -> Network:
    """A net that `scores_only` made, ready to run; its weights are read when it starts."""
    classes = class_count(graph)
    backend, opened = runner(graph, how, engine)

    def start(pixels: np.ndarray) -> Later:
        later = opened(pixels)
        return lambda: _rows(later(), len(pixels), classes, graph)

    return Network(classes, backend, start)


def runner(graph: Graph, how: Preprocessing, engine: Engine) -> tuple[str, Callable[[np.ndarray], Later]]:
    """What runs a net of one output, and a function of pixels that starts it; its weights are read when that starts."""
    made = chosen(graph, "torch" if engine.torch_alone else engine.backend, engine.device)
    if made is None:
        backend, opened = "torch", cache(partial(_torch, graph, how, engine, find_device(engine.device)))
    else:
        backend, opened = "onnxruntime", cache(partial(_onnx, made, how, engine))
    return backend, lambda pixels: opened()(pixels)


def scores_only(graph: Graph, blob: str | None = None) -> Graph:
    """The net as far as its scores, its only output: the blob asked for, or what its outputs are all made of.

    Scores are what a Softmax, a SoftmaxWithLoss or an Accuracy layer at the end reads first. Raises CaffeError where
    the outputs are of several blobs and `blob` does not say which.
    """
    named = [v for v in graph.shapes if v.blob == blob] if blob is not None else list(graph.results)
    if not named:
        raise CaffeError(f'net "{graph.name}" has no blob "{blob}"; its outputs are {", ".join(graph.outputs)}')
    ends = [named[-1]] if blob is not None else named
    values = list(dict.fromkeys(_before_softmax(graph, value) for value in ends))
    if len(values) != 1:
        known = ", ".join(f'"{v}" {text(graph.shapes[v])}' for v in values)
        raise CaffeError(
            f'net "{graph.name}" has {len(values)} outputs; say which are the scores with --scores: {known}'
        )
    return only_outputs(graph, values)


def _before_softmax(graph: Graph, value: Value) -> Value:
    node = graph.makers[value]
    return node.bottoms[0] if node.type in ("Softmax", "SoftmaxWithLoss", "Accuracy") else value


def class_count(graph: Graph) -> int:
    """How many classes a net that `scores_only` made tells apart."""
    value = graph.results[0]
    shape = graph.shapes[value]
    if graph.makers[value].layer.finds:
        raise CaffeError(f'blob "{value}" says what was found and where; want caffe2py detect')
    if shape is None or len(shape) < 2 or any(d != 1 for d in shape[2:]):
        raise CaffeError(f'blob "{value}" is {text(shape)}; want scores: (N, classes) or (N, classes, 1, 1)')
    return shape[1]


def _rows(scores: np.ndarray, batch: int, classes: int, graph: Graph) -> np.ndarray:
    if scores.size != batch * classes:
        raise CaffeError(
            f'net "{graph.name}" gives {text(scores.shape)} for a batch of {batch}; '
            f"want {batch} rows of {classes}: the net fixes its batch, say --batch-size 1"
        )
    return scores.reshape(batch, classes).astype(np.float32, copy=False)


def _torch(graph: Graph, how: Preprocessing, engine: Engine, where: torch.device) -> Callable[[np.ndarray], Later]:
    dtype = PRECISIONS[engine.precision]
    module: Any = fast_module(graph, where, dtype)
    layout = fast_layout(where, dtype)
    if engine.compile:
        module = torch.compile(module)
    mean = torch.from_numpy(how.offset().copy()).to(where)

    def start(pixels: np.ndarray) -> Later:
        with torch.inference_mode(), _arithmetic(where, dtype):
            x = torch.from_numpy(pixels).to(where, non_blocking=True).permute(0, 3, 1, 2)
            x = x.to(torch.float32).sub_(mean).mul_(how.scale)
            scores = module(x.contiguous(memory_format=layout))
        return lambda: scores.float().cpu().numpy()

    return start


def _arithmetic(where: torch.device, dtype: torch.dtype) -> AbstractContextManager[Any]:
    """float32, or half precision as torch's autocast: products in half, sums and statistics in float32."""
    return full_float32() if dtype == torch.float32 else torch.autocast(where.type, dtype)


def _onnx(program: OnnxProgram, how: Preprocessing, engine: Engine) -> Callable[[np.ndarray], Later]:
    """On a CPU as many images at a time as there are threads: larger batches only leave its caches."""
    session = Session(program, torch.get_num_threads(), engine.device)
    mean, scale = how.offset(), np.float32(how.scale)

    def start(pixels: np.ndarray) -> Later:
        count = session.batch or (torch.get_num_threads() if engine.device == "cpu" else len(pixels))
        rows = []
        for at in range(0, len(pixels), count):
            part = pixels[at : at + count]
            x = np.zeros((count if session.batch else len(part), *part.shape[3:], *part.shape[1:3]), np.float32)
            np.multiply(part.transpose(0, 3, 1, 2) - mean, scale, out=x[: len(part)])
            rows.append(session([x])[0][: len(part)])
        scores = np.concatenate(rows)
        return lambda: scores

    return start
