#!/usr/bin/env python3
"""Write one short hash for each layer of the released SENet prototxts: what the nets of make_prototxt.py are held to.

    python -m tools.make_fingerprints FOLDER_OF_THE_RELEASE -o tests/reference/senet/fingerprints.json

The hash covers a layer's name, type, bottoms, tops and every parameter that the text sets, defaults too.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import Message

from caffe2py.proto.disk.files import written_whole
from caffe2py.proto.schema import NetParameter


def read(path: Path) -> Any:
    """A prototxt as protobuf's own parser reads it; not by our reader, which this data is to test."""
    return text_format.Parse(path.read_text(encoding="utf-8"), NetParameter())


def canonical(message: Message) -> str:
    """Every field that is set, on one line: ``name: "prob" type: "Softmax" ...`` by field number, enums by name."""
    return " ".join(_said(field, value) for field, value in message.ListFields())


def _said(field: Any, value: Any) -> str:
    if field.is_repeated:
        return " ".join(_one(field, item) for item in value)
    return _one(field, value)


def _one(field: Any, value: Any) -> str:
    if field.message_type:
        return f"{field.name} {{ {canonical(value)} }}"
    if field.enum_type:
        return f"{field.name}: {field.enum_type.values_by_number[value].name}"
    return f"{field.name}: {json.dumps(value)}"


def fingerprint(layer: Message) -> str:
    """The start of the SHA-256 of a layer's canonical line."""
    return hashlib.sha256(canonical(layer).encode()).hexdigest()[:16]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="where the released prototxts are")
    parser.add_argument("-o", "--output", metavar="JSON", type=Path, required=True)
    args = parser.parse_args(argv)
    nets = {}
    for path in sorted(args.folder.glob("*.prototxt")):
        net = read(path)
        nets[path.stem] = {"name": net.name, "layers": [f"{layer.name} {fingerprint(layer)}" for layer in net.layer]}
    if not nets:
        parser.error(f"no prototxt in {args.folder}")
    birth = (
        "tools/make_fingerprints.py on the prototxts of the release, github.com/hujie-frank/SENet;"
        " an entry is a layer's name and 16 hex digits of the SHA-256 of its canonical line"
    )
    with written_whole(args.output) as part:
        part.write_text(json.dumps({"birth": birth, "nets": nets}, indent=0) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
