"""`evaluate` from files against the bare module on tensors that are in memory: images a second, and their ratio."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

NET = "SE-ResNet-50"
IMAGES, BATCH, ROUNDS = 96, 16, 5
SIZE = (375, 500)  # what most of ImageNet's images have, at about their weight in bytes
FLOOR = 0.9


def main() -> None:
    import torch

    import caffe2py

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    with tempfile.TemporaryDirectory(prefix="caffe2py-bench-") as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-m", "tools.make_net", NET, name], check=True)
        graph = caffe2py.load(folder / "net.prototxt", folder / "net.caffemodel")
        _write_images(folder / "images")
        (folder / "val.txt").write_text("".join(f"{i:04}.jpg {i}\n" for i in range(IMAGES)))
        layouts = {"as torch has it": torch.contiguous_format, "channels last": torch.channels_last}
        modules: dict[str, Any] = {}
        for said, layout in layouts.items():
            module: Any = caffe2py.to_torch(graph)
            modules[said] = module.to(memory_format=layout)
        rates: dict[str, list[float]] = {said: [] for said in (*modules, "evaluate")}
        for number in range(ROUNDS + 1):  # the first one warms up
            for said, module in modules.items():
                rates[said].append(_bare(module, layouts[said]))
            rates["evaluate"].append(_evaluate(graph, folder))
            if number == 0:
                rates = {said: [] for said in rates}
    medians = {said: statistics.median(found) for said, found in rates.items()}
    for said in modules:
        print(f"  module, {said:<24} {medians[said]:6.2f} images/s")
    best = max(medians[said] for said in modules)
    # A round against itself: other work on the machine slows all three of a round.
    ratios = [e / max(bare) for e, *bare in zip(rates["evaluate"], *(rates[said] for said in modules), strict=True)]
    ratio = statistics.median(ratios)
    kept = "kept" if ratio >= FLOOR else "NOT KEPT"
    print(f"  evaluate, from files{'':<12} {medians['evaluate']:6.2f} images/s  (bare {best:.2f})")
    print(f"  ratio, median of {ROUNDS} rounds      {ratio:6.3f}  limit {FLOOR}  {kept}", flush=True)


def _bare(module: Any, layout: Any) -> float:
    import torch

    batches = [torch.randn(BATCH, 3, 224, 224).contiguous(memory_format=layout) for _ in range(IMAGES // BATCH)]
    start = time.perf_counter()
    with torch.inference_mode():
        for batch in batches:
            module(batch)
    return IMAGES / (time.perf_counter() - start)


def _evaluate(graph: Any, folder: Path) -> float:
    """From the moment the net stands to the last result."""
    from caffe2py.evaluate import evaluate

    times: list[float] = []
    labels = folder / "val.txt"
    evaluate(graph, folder / "images", labels, batch_size=BATCH, progress=lambda *_: times.append(time.perf_counter()))
    return IMAGES / (times[-1] - times[0])


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


if __name__ == "__main__":
    main()
