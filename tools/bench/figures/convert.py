"""`caffe2py convert` and `show` on SENet-154 against cp; beside them a script that torch.saves the same tensors."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from tools.bench.measure import HEADS as HEADS
from tools.bench.measure import held, plain, rounds, senet154

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


def rows() -> Iterator[Sequence[str]]:
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
    yield from (plain(name, costs[name]) for name in ("cp", "python", "torch.save"))
    bytes_, said = 1.3 * size + costs["python"].memory, "1.3 x file + python with numpy"
    limit = 2 * costs["cp"].seconds + 0.5
    for name in ("to .safetensors", "to .pt"):
        yield held(name, costs[name], limit, "2 x cp + 0.5", bytes_, said)
    yield held("show", costs["show"], 0.5, "0.5")
