"""`caffe2py archive create` of SENet-154 against hashing its files three times over, plus the conversion."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from tools.bench.measure import HEADS as HEADS
from tools.bench.measure import held, plain, rounds, senet154

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
from caffe2py.archive.contents.contents import write_translation
from caffe2py.archive.contents.facts import facts_of
from pathlib import Path
net, weights, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
graph = caffe2py.load(net, weights)
write_translation(graph, out, facts_of(graph))
"""


def rows() -> Iterator[Sequence[str]]:
    with senet154() as folder:
        net, weights = str(folder / "net.prototxt"), str(folder / "net.caffemodel")
        size = (folder / "net.caffemodel").stat().st_size
        (folder / "out").mkdir()
        python = sys.executable
        # The files of the bundle are the caffemodel and two more of its size: the safetensors and the ONNX file.
        files = [weights, str(folder / "out" / "model.safetensors"), str(folder / "out" / "model.onnx")]
        archive = [python, "-m", "caffe2py", "archive"]
        tar = str(folder / "net.tar")
        convert = [python, "-m", "caffe2py", "convert", net, weights, "-o"]
        commands = {
            "to .safetensors": [*convert, str(folder / "out" / "net.safetensors")],
            "to .onnx": [*convert, str(folder / "out" / "net.onnx"), "--no-check"],
            "to .py": [*convert, str(folder / "out" / "net.py")],
            "convert": [python, "-c", CONVERT, net, weights, str(folder / "out")],
            "hash": [python, "-c", HASH, *files],
            "remove": ["rm", "-f", tar],
            "archive create": [*archive, "create", net, weights, "-o", tar],
            "check, files only": [*archive, "check", tar, "--files-only"],
        }
        costs = rounds(commands, 3)
    yield from (plain(name, costs[name]) for name in ("to .safetensors", "to .onnx", "to .py", "convert", "hash"))
    create, hashed = costs["archive create"], costs["hash"].seconds
    typed = sum(costs[f"to {suffix}"].seconds for suffix in (".safetensors", ".onnx", ".py"))
    limit = hashed + costs["convert"].seconds
    yield held("archive create", create, hashed + typed, "hash x 3 + the three conversions as commands")
    yield held("archive create", create, limit, "hash x 3 + them in one process", 1.5 * size, "1.5 x caffemodel")
    yield held("check, files only", costs["check, files only"], hashed, "hash x 3")
