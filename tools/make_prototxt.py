#!/usr/bin/env python3
"""Write the seven nets of the SENet release as prototxts, at any width, input size and class count."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from caffe2py.frontends.senets.architectures import NETS
from caffe2py.frontends.senets.text import build

HOME = Path(__file__).resolve().parent.parent / "models" / "prototxt"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nets", metavar="NET", nargs="*", help="which to write (default: all): " + ", ".join(NETS))
    parser.add_argument("-o", "--output", metavar="FOLDER", type=Path, help="default: models/prototxt of this project")
    parser.add_argument(
        "--width", metavar="W", type=number, default=1, help="times every width and group count, as 1/8 or 0.5"
    )
    parser.add_argument("--input-size", metavar="N", type=int, default=224, help="height and width (default: 224)")
    parser.add_argument("--classes", metavar="N", type=int, default=1000, help="width of the output (default: 1000)")
    args = parser.parse_args(argv)
    try:
        texts = {name: build(name, args.width, args.input_size, args.classes) for name in args.nets or NETS}
    except ValueError as error:
        parser.error(str(error))
    if args.output is None and any(text != build(name) for name, text in texts.items()):
        parser.error("nets of another size do not belong among the released ones: say where they go with -o FOLDER")
    folder = args.output or HOME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write(folder / f"{name}.prototxt", text)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def number(text: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f'"{text}" is no number; want one as 1/8 or 0.5') from None


def write(path: Path, text: str) -> None:
    """The whole file or none: written beside it, then renamed."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    print(path)


if __name__ == "__main__":
    sys.exit(main())
