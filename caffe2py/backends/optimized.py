"""The fastest way to run a net on this machine, behind one signature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from caffe2py.backends.torch.device import fast_layout, find_device, full_float32
from caffe2py.backends.torch.run import input_tensors, to_torch
from caffe2py.errors import CaffeError, NetError, UnsupportedError
from caffe2py.graph import Graph

if TYPE_CHECKING:
    from caffe2py.backends.onnx.model import OnnxProgram

BACKENDS = ("auto", "torch", "onnxruntime")


@dataclass(frozen=True)
class Optimized:
    """A net as a function of numpy arrays.

    It takes the net's inputs in Caffe's order and gives its output, or a tuple of them in Caffe's order, all float32.
    `backend` is what runs it, "torch" or "onnxruntime", on `device`. Raises `NetError` for inputs of other counts or
    ranks. It may be called from several threads.
    """

    graph: Graph
    backend: str
    device: str
    _run: Callable[[list[np.ndarray]], list[np.ndarray]]

    def __call__(self, *inputs: Any) -> Any:
        blobs = list(self.graph.inputs)
        if len(inputs) > len(blobs):
            raise NetError(f'net "{self.graph.name}" takes {len(blobs)} inputs; {len(inputs)} were given')
        given = input_tensors(self.graph, dict(zip(blobs, inputs, strict=False)), torch.float32)
        tops = self._run([given[blob].numpy() for blob in blobs])
        return tops[0] if len(tops) == 1 else tuple(tops)


def optimized(graph: Graph, *, backend: str = "auto", device: str = "cpu", threads: int | None = None) -> Optimized:
    """The fastest callable of a net for this machine.

    backend  "onnxruntime", "torch", or "auto": onnxruntime where it is installed, the device is the CPU and all layers
             can be said in ONNX; else the module, in channels_last where that is faster
    device   as torch names it: cpu, cuda, cuda:1, mps
    threads  of onnxruntime; None: as many as torch has. The module runs on torch's

    Sums are taken in another order than in `run`, and BatchNorm is folded into the layer before it: outputs differ from
    those of `to_torch` by some 1e-5 of the largest value in a net of 50 layers, as they do between two CPUs. Raises
    `UnsupportedError` that lists every layer that cannot run, `WeightError` where there are no weights, `CaffeError`
    for a device that is not there.
    """
    made = chosen(graph, backend, device)
    if made is not None:
        from caffe2py.backends.onnx.session import Session

        return Optimized(graph, "onnxruntime", device, Session(made, threads or torch.get_num_threads(), device))
    where = find_device(device)
    module = fast_module(graph, where)
    return Optimized(graph, "torch", device, lambda given: _forward(module, where, given))


def chosen(graph: Graph, backend: str = "auto", device: str = "cpu") -> OnnxProgram | None:
    """The net as onnxruntime runs it; None where torch runs it. Raises `CaffeError` for a backend that is none.

    It is one of the two by what is installed, by the device and by the layers, and the same whenever it is asked.
    """
    if backend not in BACKENDS:
        raise CaffeError(f'no backend "{backend}"; want {", ".join(BACKENDS[:-1])} or {BACKENDS[-1]}')
    there = device == "cpu" and find_spec("onnxruntime") is not None
    if backend == "torch" or (backend == "auto" and not there):
        return None
    from caffe2py.backends.onnx.model import onnx_program
    from caffe2py.backends.onnx.session import library

    library()
    try:
        return onnx_program(graph, fold=True)
    except UnsupportedError:
        if backend == "auto":
            return None
        raise


def fast_module(graph: Graph, where: torch.device, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    """The net's module in eval mode on a device, in the layout that is fastest there; `dtype` is that of products."""
    module = to_torch(graph).eval().to(where)
    return module.to(memory_format=fast_layout(where, dtype))  # type: ignore[call-overload]


def _forward(module: torch.nn.Module, where: torch.device, given: list[np.ndarray]) -> list[np.ndarray]:
    layout = fast_layout(where, torch.float32)
    with torch.inference_mode(), full_float32():
        tensors = [torch.from_numpy(array).to(where) for array in given]
        tops = module(*(t.contiguous(memory_format=layout) if t.ndim == 4 else t for t in tensors))
        return [top.float().cpu().numpy() for top in (tops if isinstance(tops, tuple) else (tops,))]
