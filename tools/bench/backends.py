"""SE-ResNet-50 one picture at a time, by each library there is, against the module as torch has it; one thread each."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

NET = "SE-ResNet-50"
ROUNDS, RUNS = 5, 5

Run = Callable[[], Any]


def main() -> None:
    import torch

    import caffe2py

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="caffe2py-bench-") as name:
        subprocess.run([sys.executable, "-m", "tools.make_net", NET, name], check=True)
        graph = caffe2py.load(Path(name, "net.prototxt"), Path(name, "net.caffemodel"))
        caffe2py.convert(graph, Path(name, "net.onnx"), fold=True)
        runs = dict(_runs(graph, Path(name, "net.onnx")))
        found = _measured(runs)
    for said in runs:
        ratios = [each[said] / each["the module"] for each in found]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f} in {ROUNDS} rounds"
        print(f"  {said:<32} {statistics.median(ratios):5.2f}  ({spread})", flush=True)


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


def _runs(graph: Any, onnx: Path) -> Mapping[str, Run]:
    import numpy as np
    import torch

    import caffe2py

    picture = np.random.RandomState(0).uniform(-128, 128, (1, 3, 224, 224)).astype(np.float32)
    tensor = torch.from_numpy(picture)
    last = tensor.contiguous(memory_format=torch.channels_last)
    plain: Any = caffe2py.to_torch(graph)
    turned: Any = caffe2py.to_torch(graph)
    turned.to(memory_format=torch.channels_last)
    chosen = caffe2py.optimized(graph, threads=1)
    runs: dict[str, Run] = {
        "the module": lambda: _quietly(plain, tensor),
        "the module in channels_last": lambda: _quietly(turned, last),
        f"optimized ({chosen.backend})": lambda: chosen(picture),
    }
    if find_spec("openvino"):
        import openvino

        compiled = openvino.compile_model(
            str(onnx), "CPU", {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        )
        runs["OpenVINO"] = lambda: compiled(picture)
    if find_spec("cv2"):
        import cv2

        cv2.setNumThreads(1)
        net = cv2.dnn.readNetFromONNX(str(onnx))

        def forward() -> Any:
            net.setInput(picture)
            return net.forward()

        runs[f"OpenCV {cv2.__version__}"] = forward
    return runs


def _quietly(module: Any, tensor: Any) -> Any:
    import torch

    with torch.inference_mode():
        return module(tensor)


if __name__ == "__main__":
    main()
