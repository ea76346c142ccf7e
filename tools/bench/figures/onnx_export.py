"""`caffe2py convert` of SENet-154 to ONNX against cp, and what the check of the file takes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from tools.bench.measure import HEADS as HEADS
from tools.bench.measure import Cost, held, plain, rounds, senet154

CHECKED = 6.5  # seconds of processors, all in all


def rows() -> Iterator[Sequence[str]]:
    with senet154() as folder:
        net, weights = str(folder / "net.prototxt"), str(folder / "net.caffemodel")
        size = (folder / "net.caffemodel").stat().st_size
        checked = [sys.executable, "-m", "caffe2py", "convert", net, weights, "-o", str(folder / "net.onnx")]
        convert = [*checked[:-2], "--no-check", "-o"]
        costs = rounds(
            {
                "cp": ["cp", weights, str(folder / "copy")],
                "python": [sys.executable, "-c", "import onnx, numpy"],
                "to .onnx": [*convert, str(folder / "net.onnx")],
                "to .onnx, folded": [*convert, str(folder / "folded.onnx"), "--fold"],
                "to .onnx, float16": [*convert, str(folder / "half.onnx"), "--float16"],
                "to .onnx, checked": checked,
            }
        )
    yield from (plain(name, costs[name]) for name in ("cp", "python", "to .onnx, folded", "to .onnx, float16"))
    said = "1.3 x file + python with onnx"
    limit = 4 * costs["cp"].seconds + 1
    yield held("to .onnx", costs["to .onnx"], limit, "4 x cp + 1", 1.3 * size + costs["python"].memory, said)
    cost = costs["to .onnx, checked"]
    yield held("to .onnx, checked: of processors", Cost(cost.busy, cost.memory, cost.busy), CHECKED, f"{CHECKED}")
