"""The net as one function: a batch of pixels in, the scores of its classes out, by torch or by onnxruntime.

Scores are what the last Softmax reads: the same order as its probabilities, without the ties that rounding makes of
them where a net is sure, or runs in half precision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from caffe2py.backends.torch.run import to_torch
from caffe2py.errors import CaffeError
from caffe2py.evaluate.pictures.preprocessing import Preprocessing
from caffe2py.graph import Graph, Value
from caffe2py.layers.base import text
from caffe2py.passes import only_outputs

BACKENDS = ("torch", "onnx")
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
Later = Callable[[], np.ndarray]  # the scores (batch, classes) of a batch that may still be running


@dataclass(frozen=True)
class Engine:
    """What runs the net. `compile` is torch.compile; `device` as torch names it: cpu, cuda, cuda:1, mps."""

    backend: str = "torch"
    device: str = "cpu"
    precision: str = "fp32"
    compile: bool = False

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise CaffeError(f'no backend "{self.backend}"; want {" or ".join(BACKENDS)}')
        if self.precision not in PRECISIONS:
            raise CaffeError(f'no precision "{self.precision}"; want one of {", ".join(PRECISIONS)}')
        if self.backend == "onnx" and (self.compile or self.precision != "fp32"):
            raise CaffeError("the backend onnx runs in fp32 and compiles nothing; want --backend torch for that")


@dataclass(frozen=True)
class Network:
    """A net that gives scores. `start` takes pixels (batch, height, width, channels), uint8."""

    classes: int
    start: Callable[[np.ndarray], Later]


def network(graph: Graph, how: Preprocessing, engine: Engine) -> Network:
    """A net that `scores_only` made, ready to run."""
    classes = class_count(graph)
    start = _torch(graph, how, engine) if engine.backend == "torch" else _onnx(graph, how, engine)

    def checked(pixels: np.ndarray) -> Later:
        later = start(pixels)
        return lambda: _rows(later(), len(pixels), classes, graph)

    return Network(classes, checked)


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


def _torch(graph: Graph, how: Preprocessing, engine: Engine) -> Callable[[np.ndarray], Later]:
    device = _device(engine.device)
    dtype = PRECISIONS[engine.precision]
    layout = _layout(device, dtype)
    module: Any = to_torch(graph).eval().to(device)
    module = module.to(memory_format=layout)
    if engine.compile:
        module = torch.compile(module)
    mean = torch.from_numpy(how.offset().copy()).to(device)

    def start(pixels: np.ndarray) -> Later:
        with torch.inference_mode(), _arithmetic(device, dtype):
            x = torch.from_numpy(pixels).to(device, non_blocking=True).permute(0, 3, 1, 2)
            x = x.to(torch.float32).sub_(mean).mul_(how.scale)
            scores = module(x.contiguous(memory_format=layout))
        return lambda: scores.float().cpu().numpy()

    return start


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise CaffeError(f'no device "{name}": {str(error).splitlines()[0]}') from None
    return device


def _layout(device: torch.device, dtype: torch.dtype) -> torch.memory_format:
    """Channels last on a CPU, where it measured 1.3 (SE-ResNet-50) to 2 times (SE-ResNeXt-50) as fast
    (tools/bench/evaluate.py), and on a GPU in half precision, whose kernels work in it."""
    last = device.type == "cpu" or dtype != torch.float32
    return torch.channels_last if last else torch.contiguous_format


@contextmanager
def _arithmetic(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """float32 means float32: cuDNN would cut products to the 10 bits of TF32. Half precision is torch's autocast:
    products in half, sums and statistics in float32."""
    if dtype != torch.float32:
        with torch.autocast(device.type, dtype):
            yield
        return
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def _onnx(graph: Graph, how: Preprocessing, engine: Engine) -> Callable[[np.ndarray], Later]:
    try:
        import onnxruntime
    except ImportError:
        raise CaffeError("the backend onnx needs onnxruntime: pip install 'caffe2py[verify]'") from None
    from caffe2py.backends.onnx.model import to_onnx

    providers = ["CPUExecutionProvider"]
    if engine.device != "cpu":
        providers = ["CUDAExecutionProvider", *providers]
        if providers[0] not in onnxruntime.get_available_providers():
            raise CaffeError(f'this onnxruntime has no device "{engine.device}"; want cpu, or onnxruntime-gpu')
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(to_onnx(graph).SerializeToString(), options, providers)
    name, mean, scale = session.get_inputs()[0].name, how.offset(), np.float32(how.scale)

    def start(pixels: np.ndarray) -> Later:
        x = (pixels.transpose(0, 3, 1, 2).astype(np.float32) - mean) * scale
        scores: np.ndarray = session.run(None, {name: np.ascontiguousarray(x)})[0]
        return lambda: scores

    return start
