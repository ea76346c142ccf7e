"""`caffe2py archive create` of SENet-154 against hashing its files three times over, plus the conversion."""

from __future__ import annotations

import sys

from tools.bench.measure import MIB, report, rounds, senet154

HASH = """
import hashlib, sys
for algorithm in ("sha256", "sha512", "sha1"):
    for file in sys.argv[1:]:
        with open(file, "rb") as opened:
            hashlib.file_digest(opened, algorithm)
"""
CONVERT = """
import sys
import caffe2py
from caffe2py.archive.contents import write_proof, write_translation
from caffe2py.archive.facts import facts_of
from pathlib import Path
net, weights, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
graph = caffe2py.load(net, weights)
write_translation(graph, out, facts_of(graph))
if len(sys.argv) > 4:
    write_proof(graph, out, None, 1)
"""


def main() -> None:
    with senet154() as folder:
        net, weights = str(folder / "net.prototxt"), str(folder / "net.caffemodel")
        size = (folder / "net.caffemodel").stat().st_size
        (folder / "out").mkdir()
        python = sys.executable
        # The files of the bundle are the caffemodel and two more of its size: the safetensors and the ONNX file.
        files = [weights, str(folder / "out" / "model.safetensors"), str(folder / "out" / "model.onnx")]
        commands = {
            "python": [python, "-c", "import torch, onnx"],
            "convert": [python, "-c", CONVERT, net, weights, str(folder / "out")],
            "convert and prove": [python, "-c", CONVERT, net, weights, str(folder / "out"), "prove"],
            "hash": [python, "-c", HASH, *files],
            "archive create": [
                python,
                "-m",
                "caffe2py",
                "archive",
                "create",
                net,
                weights,
                "-o",
                str(folder / "net.tar"),
            ],
            "check, files only": [
                python,
                "-m",
                "caffe2py",
                "archive",
                "check",
                str(folder / "net.tar"),
                "--files-only",
            ],
        }
        costs = rounds(commands, 3)
    for name in ("python", "convert", "convert and prove", "hash"):
        print(f"  {name:<24} {costs[name].seconds:6.2f} s  {costs[name].memory / MIB:5.0f} MiB")
    held, said = 1.5 * size + costs["python"].memory, "1.5 x caffemodel + python with torch"
    limit = costs["hash"].seconds + costs["convert"].seconds
    report("archive create", costs["archive create"], limit, "hash x 3 + convert", held, said)
    limit = costs["hash"].seconds + costs["convert and prove"].seconds
    report("archive create", costs["archive create"], limit, "hash x 3 + convert and prove", held, said)
    report("check, files only", costs["check, files only"], costs["hash"].seconds, "hash x 3")


if __name__ == "__main__":
    main()
