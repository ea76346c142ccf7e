"""The readable style of SENet-154 against the flat one: the time to write it, and that of its module on an image."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

MODEL = Path(__file__).resolve().parents[3] / "models" / "prototxt" / "SENet-154.prototxt"
ROUNDS = 5
HEADS = ("style", "written, seconds of the processor", "runs", "of the flat one")
STYLES = ("flat", "readable")


def rows() -> Iterator[Sequence[str]]:
    import torch

    import caffe2py

    torch.set_num_threads(1)
    graph = caffe2py.load(MODEL)
    filled = caffe2py.load(MODEL, fill=1)
    image = torch.zeros(1, 3, 224, 224)
    modules: dict[str, Any] = {style: caffe2py.to_torch(filled, style) for style in STYLES}
    written: dict[str, list[float]] = {style: [] for style in STYLES}
    ran: dict[str, list[float]] = {style: [] for style in STYLES}
    with torch.inference_mode():
        for number in range(ROUNDS + 1):  # the first warms up
            for style in STYLES:
                costs = seconds(partial(caffe2py.to_source, graph, style)), seconds(partial(modules[style], image))
                if number:
                    written[style].append(costs[0])
                    ran[style].append(costs[1])
    for style in STYLES:
        ratio = statistics.median(mine / flat for mine, flat in zip(ran[style], ran["flat"], strict=True))
        yield style, f"{min(written[style]):.2f}", f"{min(ran[style]):.2f}", f"{ratio:.2f}"


def seconds(work: Callable[[], object]) -> float:
    """Seconds of the processor."""
    start = time.process_time()
    work()
    return time.process_time() - start
