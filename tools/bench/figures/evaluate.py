"""`evaluate` from files against the bare module on tensors that are in memory: images a second, and their ratio."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tools.bench.measure import spread

NET = "SE-ResNet-50"
IMAGES, BATCH, ROUNDS = 32, 8, 5
SIZE = (375, 500)  # what most of ImageNet's images have, at about their weight in bytes
HEADS = ("", "images a second", "ms of processor time an image", "of the faster module's", "least and most")
LAYOUTS = ("the module as torch has it", "the module in channels_last")
BACKENDS = ("torch", "auto")


def rows() -> Iterator[Sequence[str]]:
    import torch

    import caffe2py

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    with tempfile.TemporaryDirectory(prefix="caffe2py-bench-") as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-m", "tools.make_net", NET, name], check=True)
        graph = caffe2py.load(folder / "net.prototxt", folder / "net.caffemodel")
        _write_images(folder / "images")
        (folder / "val.txt").write_text("".join(f"{i:04}.jpg {i}\n" for i in range(IMAGES)))
        layouts = dict(zip(LAYOUTS, (torch.contiguous_format, torch.channels_last), strict=True))
        modules: dict[str, Any] = {said: caffe2py.to_torch(graph) for said in LAYOUTS}
        for said, layout in layouts.items():
            modules[said].to(memory_format=layout)
        found = []
        for number in range(ROUNDS + 1):
            costs = {said: _bare(module, layouts[said]) for said, module in modules.items()}
            costs |= {f"evaluate --backend {backend}": _evaluate(graph, folder, backend) for backend in BACKENDS}
            if number:  # the first round warms up
                found.append(costs)
    for said in found[0]:
        wall, busy = (statistics.median(costs[said][i] for costs in found) for i in (0, 1))
        # Each round against itself, for other work on the machine slows all of a round.
        ratios = [costs[said][1] / min(costs[bare][1] for bare in LAYOUTS) for costs in found]
        yield said, f"{wall:.2f}", f"{busy * 1000:.1f}", f"{statistics.median(ratios):.2f}", spread(ratios)


def _bare(module: Any, layout: Any) -> tuple[float, float]:
    """Images a second, and processor seconds an image."""
    import torch

    batches = [torch.randn(BATCH, 3, 224, 224).contiguous(memory_format=layout) for _ in range(IMAGES // BATCH)]
    start, busy = time.perf_counter(), time.process_time()
    with torch.inference_mode():
        for batch in batches:
            module(batch)
    return IMAGES / (time.perf_counter() - start), (time.process_time() - busy) / IMAGES


def _evaluate(graph: Any, folder: Path, backend: str) -> tuple[float, float]:
    """The same for images from files, from the moment the net stands to the last result."""
    from caffe2py.evaluate import evaluate
    from caffe2py.evaluate.network import Engine

    marks: list[tuple[float, float]] = []

    def mark(done: int, total: int) -> None:
        marks.append((time.perf_counter(), time.process_time()))

    evaluate(graph, folder / "images", folder / "val.txt", batch_size=BATCH, engine=Engine(backend), progress=mark)
    (start, busy), *_, (end, end_busy) = marks
    return IMAGES / (end - start), (end_busy - busy) / IMAGES


def _write_images(folder: Path) -> None:
    import cv2
    import numpy as np

    folder.mkdir()
    random = np.random.RandomState(0)
    height, width = SIZE
    for i in range(IMAGES):
        rough = cv2.resize(random.randint(0, 256, (height // 6, width // 6, 3), np.uint8), (width, height))
        noise = random.randint(-12, 13, (height, width, 3))
        pixels = np.clip(rough + noise, 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{i:04}.jpg"), pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])
