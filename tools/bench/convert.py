"""`caffe2py convert` and `show` on SENet-154 against cp; beside them a script that torch.saves the same tensors."""

from __future__ import annotations

import sys

from tools.bench.measure import MIB, report, rounds, senet154

BARE_TORCH = """
import sys, numpy, torch
file, out, sizes = sys.argv[1], sys.argv[2], {sizes}
data = numpy.memmap(file, numpy.uint8, "c")
state, at = {{}}, 0
for number, size in enumerate(sizes):
    state[str(number)] = torch.from_numpy(data[at : at + 4 * size].view(numpy.float32))
    at += 4 * size
torch.save(state, out)
"""


def main() -> None:
    import caffe2py

    with senet154() as folder:
        net, weights = str(folder / "net.prototxt"), str(folder / "net.caffemodel")
        size = (folder / "net.caffemodel").stat().st_size
        sizes = [w.count for _, _, w in caffe2py.load(net).owned_weights()]
        python, caffe = sys.executable, [sys.executable, "-m", "caffe2py"]
        commands = {
            "cp": ["cp", weights, str(folder / "copy")],
            "python": [python, "-c", "import numpy, google.protobuf"],
            "torch.save": [python, "-c", BARE_TORCH.format(sizes=sizes), weights, str(folder / "bare.pt")],
            "to .safetensors": [*caffe, "convert", net, weights, "-o", str(folder / "net.safetensors")],
            "to .pt": [*caffe, "convert", net, weights, "-o", str(folder / "net.pt")],
            "show": [*caffe, "show", net],
        }
        costs = rounds(commands)
    for name in ("cp", "python", "torch.save"):
        print(f"  {name:<24} {costs[name].seconds:6.2f} s  {costs[name].memory / MIB:5.0f} MiB")
    held = 1.3 * size + costs["python"].memory
    said = "1.3 x file + python with numpy"
    report("to .safetensors", costs["to .safetensors"], 2 * costs["cp"].seconds + 0.5, "2 x cp + 0.5", held, said)
    report("to .pt", costs["to .pt"], 2 * costs["cp"].seconds + 0.5, "2 x cp + 0.5", held, said)
    report("show", costs["show"], 0.5, "0.5")


if __name__ == "__main__":
    main()
