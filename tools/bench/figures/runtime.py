"""`net.forward()` against the bare module, and a solver's iteration against the same net in plain torch."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tools.bench.measure import spread

FORWARD, TRAIN = 1.15, 1.2
HEADS = ("", "ms", "bare, ms", "ratio", "least and most", "of processor time", "limit")
SOLVER = 'net: "{net}" base_lr: 0.001 momentum: 0.9 weight_decay: 0.0005 lr_policy: "fixed" max_iter: 100000'


def rows() -> Iterator[Sequence[str]]:
    os.environ["GLOG_minloglevel"] = "2"  # noqa: SIM112  the log is not what is measured
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    with tempfile.TemporaryDirectory(prefix="caffe2py-bench-") as name:
        folder = Path(name)
        yield _row("forward SE-ResNet-50", *_forward(folder), FORWARD, rounds=20)
        for net, batch, rounds in (("lenet", 64, 40), ("caffenet", 16, 6)):
            yield _row(f"train {net}, batch {batch}", *_training(folder, net, batch), TRAIN, rounds)


def _row(what: str, ours: Callable[[], object], bare: Callable[[], object], limit: float, rounds: int) -> Sequence[str]:
    """Each round against itself, for other work on the machine slows all of a round."""
    walls, busy = [], []
    for number in range(rounds + 2):
        costs = [_cost(bare), _cost(ours)]
        if number > 1:  # the first two rounds warm up
            walls.append((costs[1][0] / costs[0][0], costs[1][0], costs[0][0]))
            busy.append(costs[1][1] / costs[0][1])
    ratio, mine, theirs = (statistics.median(wall[i] for wall in walls) for i in range(3))
    times = f"{1000 * mine:.1f}", f"{1000 * theirs:.1f}", f"{ratio:.2f}"
    return what, *times, spread([wall[0] for wall in walls]), f"{statistics.median(busy):.2f}", f"{limit}"


def _cost(run: Callable[[], object]) -> tuple[float, float]:
    start, busy = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - start, time.process_time() - busy


def _forward(folder: Path) -> tuple[Callable[[], object], Callable[[], object]]:
    import torch

    import caffe2py
    import caffe2py.pycaffe as caffe

    subprocess.run([sys.executable, "-m", "tools.make_net", "SE-ResNet-50", str(folder)], check=True)
    files = str(folder / "net.prototxt"), str(folder / "net.caffemodel")
    module = caffe2py.to_torch(caffe2py.load(*files))
    net = caffe.Net(files[0], caffe.TEST, weights=files[1])
    image = torch.randn(1, 3, 224, 224)
    net.blobs["data"].data[...] = image

    def bare() -> None:
        with torch.inference_mode():
            module(image)

    return net.forward, bare


def _training(folder: Path, name: str, batch: int) -> tuple[Callable[[], object], Callable[[], object]]:
    import torch

    import caffe2py
    import caffe2py.pycaffe as caffe
    from tools.bench import nets

    prototxt = folder / f"{name}.prototxt"
    prototxt.write_text(getattr(nets, name)(batch))
    (folder / "solver.prototxt").write_text(SOLVER.format(net=prototxt))
    solver = caffe.SGDSolver(str(folder / "solver.prototxt"))
    module = caffe2py.to_torch(caffe2py.load(prototxt, phase="TRAIN", fill=0))
    learning = torch.optim.SGD(module.parameters(), lr=0.001, momentum=0.9, weight_decay=0.0005)

    def bare() -> None:
        learning.zero_grad()
        module().backward()
        learning.step()

    return lambda: solver.step(1), bare
