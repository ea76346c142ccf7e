"""`caffe2py convert` of SENet-154's ONNX to prototxt and caffemodel against cp."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence

from tools.bench.measure import HEADS as HEADS
from tools.bench.measure import held, plain, rounds, senet154


def rows() -> Iterator[Sequence[str]]:
    convert = [sys.executable, "-m", "caffe2py", "convert"]
    with senet154() as folder:
        net, weights, model = (str(folder / name) for name in ("net.prototxt", "net.caffemodel", "net.onnx"))
        subprocess.run([*convert, net, weights, "-o", model, "--no-check"], check=True, stdout=subprocess.DEVNULL)
        size = (folder / "net.onnx").stat().st_size
        costs = rounds(
            {
                "cp": ["cp", model, str(folder / "copy")],
                "python": [sys.executable, "-c", "import onnx, numpy"],
                "to .prototxt": [*convert, model, "-o", str(folder / "back.prototxt"), "--no-check"],
            }
        )
    yield from (plain(name, costs[name]) for name in ("cp", "python"))
    yield held(
        "to .prototxt", costs["to .prototxt"], 5 * costs["cp"].seconds + 1, "5 x cp + 1", 1.5 * size, "1.5 x file"
    )
