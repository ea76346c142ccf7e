"""`caffe2py convert` of SENet-154's ONNX to prototxt and caffemodel against cp."""

from __future__ import annotations

import subprocess
import sys

from tools.bench.measure import MIB, report, rounds, senet154


def main() -> None:
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
    for name in ("cp", "python"):
        print(f"  {name:<24} {costs[name].seconds:6.2f} s  {costs[name].memory / MIB:5.0f} MiB")
    time = 5 * costs["cp"].seconds + 1
    report("to .prototxt", costs["to .prototxt"], time, "5 x cp + 1", 1.5 * size, "1.5 x file")


if __name__ == "__main__":
    main()
