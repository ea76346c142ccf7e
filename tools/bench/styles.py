"""The readable style of SENet-154 against the flat one: the time to write it, and that of its module on an image."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

MODEL = Path(__file__).resolve().parents[2] / "models" / "prototxt" / "SENet-154.prototxt"
ROUNDS = 5


def main() -> None:
    import torch

    import caffe2py

    graph = caffe2py.load(MODEL)
    written = {style: seconds(partial(caffe2py.to_source, graph, style)) for style in ("flat", "readable")}
    filled = caffe2py.load(MODEL, fill=1)
    image = torch.zeros(1, 3, 224, 224)
    with torch.no_grad():
        ran = {}
        for style in ("flat", "readable"):
            module = caffe2py.to_torch(filled, style)
            ran[style] = seconds(partial(module, image))
    for style in written:
        print(f"  {style:<12} written in {written[style]:5.2f} s, runs in {ran[style]:5.2f} s")
    print(
        f"  readable: written in {written['readable']:.2f} s (limit 1), runs {ran['readable'] / ran['flat']:.2f} x flat"
    )


def seconds(work: Callable[[], object]) -> float:
    """The median of some rounds, after one that warms up."""
    work()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


if __name__ == "__main__":
    main()
