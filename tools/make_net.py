"""Make a net of the release ready to convert: its prototxt, and a caffemodel of synthetic weights.

Usage: python -m tools.make_net NET FOLDER     writes FOLDER/net.prototxt and FOLDER/net.caffemodel
"""

from __future__ import annotations

import sys
from pathlib import Path

import caffe2py
from tools.make_caffemodel import make_caffemodel
from tools.make_manifest import make_manifest
from tools.make_prototxt import build


def make_net(name: str, prototxt: Path, caffemodel: Path) -> None:
    """Write both files of one of the seven nets."""
    prototxt.write_text(build(name), encoding="utf-8")
    make_caffemodel(make_manifest(caffe2py.load(prototxt)), caffemodel)


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(sys.argv[2])
    make_net(sys.argv[1], folder / "net.prototxt", folder / "net.caffemodel")
    return 0


if __name__ == "__main__":
    sys.exit(main())
