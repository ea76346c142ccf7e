"""The readable style of SENet-154 against the flat one: the time to write it, and that of its module on an image."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

MODEL = Path(__file__).resolve().parents[3] / "models" / "prototxt" / "SENet-154.prototxt"
ROUNDS = 5
HEADS = ("style", "written, seconds", "runs, seconds", "of the flat one")


def rows() -> Iterator[Sequence[str]]:
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
        yield style, f"{written[style]:.2f}", f"{ran[style]:.2f}", f"{ran[style] / ran['flat']:.2f}"


def seconds(work: Callable[[], object]) -> float:
    """The median of some rounds, after one that warms up."""
    work()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
