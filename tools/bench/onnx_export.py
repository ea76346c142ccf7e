"""`caffe2py convert` of SENet-154 to ONNX against cp."""

from __future__ import annotations

import sys

from tools.bench.measure import MIB, report, rounds, senet154


def main() -> None:
    with senet154() as folder:
        net, weights = str(folder / "net.prototxt"), str(folder / "net.caffemodel")
        size = (folder / "net.caffemodel").stat().st_size
        convert = [sys.executable, "-m", "caffe2py", "convert", net, weights, "--no-check", "-o"]
        costs = rounds(
            {
                "cp": ["cp", weights, str(folder / "copy")],
                "python": [sys.executable, "-c", "import onnx, numpy"],
                "to .onnx": [*convert, str(folder / "net.onnx")],
                "to .onnx, folded": [*convert, str(folder / "folded.onnx"), "--fold"],
                "to .onnx, float16": [*convert, str(folder / "half.onnx"), "--float16"],
            }
        )
    for name in ("cp", "python", "to .onnx, folded", "to .onnx, float16"):
        print(f"  {name:<24} {costs[name].seconds:6.2f} s  {costs[name].memory / MIB:5.0f} MiB")
    time = 4 * costs["cp"].seconds + 1
    held = 1.3 * size + costs["python"].memory
    report("to .onnx", costs["to .onnx"], time, "4 x cp + 1", held, "1.3 x file + python with onnx")


if __name__ == "__main__":
    main()
