"""`caffe2py convert` of SENet-154 to ONNX against cp, and what the check of the file takes."""

from __future__ import annotations

import sys

from tools.bench.measure import MIB, kept, report, rounds, senet154

CHECKED = 6.5  # seconds of processors, all in all


def main() -> None:
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
    for name in ("cp", "python", "to .onnx, folded", "to .onnx, float16"):
        print(f"  {name:<24} {costs[name].seconds:6.2f} s  {costs[name].memory / MIB:5.0f} MiB")
    time = 4 * costs["cp"].seconds + 1
    held = 1.3 * size + costs["python"].memory
    report("to .onnx", costs["to .onnx"], time, "4 x cp + 1", held, "1.3 x file + python with onnx")
    busy = costs["to .onnx, checked"].busy
    told = f"{busy:6.2f} s of processors  limit {CHECKED:6.2f} s  {kept(busy <= CHECKED)}"
    print(f"  to .onnx, checked        {told}", flush=True)


if __name__ == "__main__":
    main()
