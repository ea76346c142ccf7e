"""SE-ResNet-50 one picture at a time, by each library there is, against the module as torch has it; one thread each."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tools.bench.measure import own_seconds, spread

NET, THEIRS = "SE-ResNet-50", "legacy_seresnet50"
ROUNDS, RUNS = 5, 5
HEADS = ("one picture, one thread", "time, of the module's", f"least and most in {ROUNDS} rounds")

Run = Callable[[], Any]


def rows() -> Iterator[Sequence[str]]:
    import torch

    import caffe2py

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="caffe2py-bench-") as name:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = name  # so that it compiles
        subprocess.run([sys.executable, "-m", "tools.make_net", NET, name], check=True)
        graph = caffe2py.load(Path(name, "net.prototxt"), Path(name, "net.caffemodel"))
        caffe2py.convert(graph, Path(name, "net.onnx"), fold=True)
        runs = {**_by_torch(graph), **_by_others(graph, Path(name, "net.onnx"))}
        found = _measured(runs)
    for said in runs:
        ratios = [each[said] / each["the module"] for each in found]
        yield said, f"{statistics.median(ratios):.2f}", spread(ratios)


def _measured(runs: Mapping[str, Run]) -> list[dict[str, float]]:
    """Seconds of the processor, in rounds in which each runs in turn; one more round warms up."""
    found = []
    for number in range(ROUNDS + 1):
        costs = {}
        for said, run in runs.items():
            start = time.process_time()
            for _ in range(RUNS):
                run()
            costs[said] = time.process_time() - start
        if number:
            found.append(costs)
    return found


def _picture() -> Any:
    import numpy as np

    return np.random.RandomState(0).uniform(-128, 128, (1, 3, 224, 224)).astype(np.float32)


def _by_torch(graph: Any) -> Mapping[str, Run]:
    """The module in the ways that torch has, and timm's own of the same net."""
    import torch

    import caffe2py
    from caffe2py.backends.sources.timm_module import timm

    tensor = torch.from_numpy(_picture())
    last = tensor.contiguous(memory_format=torch.channels_last)
    plain: Any = caffe2py.to_torch(graph)
    turned: Any = caffe2py.to_torch(graph)
    turned.to(memory_format=torch.channels_last)
    runs: dict[str, Run] = {
        "the module": lambda: _quietly(plain, tensor),
        "the module in channels_last": lambda: _quietly(turned, last),
    }
    if library := timm():
        theirs = library.create_model(THEIRS, pretrained=False).eval()
        runs["timm's own module"] = lambda: _quietly(theirs, tensor)
    compiled, seconds = _compiled(plain, tensor)
    runs[f"torch.compile with frozen weights, after {seconds:.0f} s of compiling"] = lambda: _quietly(compiled, tensor)
    return runs


def _compiled(module: Any, tensor: Any) -> tuple[Any, float]:
    """The module by inductor, its weights constants of the program; and the processor's seconds until it first ran."""
    import torch
    import torch._inductor.config

    torch._inductor.config.freezing = True
    torch._inductor.config.compile_threads = 1  # in this process, where its time is seen
    compiled = torch.compile(module)
    start = own_seconds()
    _quietly(compiled, tensor)
    return compiled, own_seconds() - start


def _by_others(graph: Any, onnx: Path) -> Mapping[str, Run]:
    """What `optimized` chooses, and others on the ONNX file with BatchNorm folded."""
    import caffe2py

    picture = _picture()
    chosen = caffe2py.optimized(graph, threads=1)
    runs: dict[str, Run] = {f"`optimized` ({chosen.backend}, BatchNorm folded)": lambda: chosen(picture)}
    if find_spec("openvino"):
        import openvino

        compiled = openvino.compile_model(
            str(onnx), "CPU", {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        )
        runs["OpenVINO in float32, on the folded ONNX"] = lambda: compiled(picture)
    if find_spec("cv2"):
        import cv2

        cv2.setNumThreads(1)
        net = cv2.dnn.readNetFromONNX(str(onnx))

        def forward() -> Any:
            net.setInput(picture)
            return net.forward()

        runs[f"OpenCV {cv2.__version__}, on the folded ONNX"] = forward
    return runs


def _quietly(module: Any, tensor: Any) -> Any:
    import torch

    with torch.inference_mode():
        return module(tensor)
