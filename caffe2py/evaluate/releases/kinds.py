"""What kind of file an unknown one is, and the name of the net in it."""

from __future__ import annotations

import json
import pickletools
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from caffe2py.errors import CaffeError
from caffe2py.proof.dumps.reading import LayerDump, open_dump
from caffe2py.proto.disk.damage import damage_told
from caffe2py.proto.disk.looks import looks_like
from caffe2py.proto.net import read_net
from caffe2py.proto.weights.read import read_weights

HEAD = 4096
LONGEST = 1 << 26  # bytes of a header or a pickle that are looked at
OUR_ONNX = b"\x12\x08caffe2py"  # producer_name, the second field of a ModelProto
Kind = tuple[str, str | None]


def kind_of(path: Path) -> Kind:
    """What a file is, in words, and the name of the net in it where it tells one."""
    with open(path, "rb") as file:
        head = file.read(HEAD)
    if not head:
        return "an empty file", None
    looks = looks_like(head)
    try:
        with damage_told(path, "file"):
            return _closer(path, head, looks)
    except CaffeError as error:
        return f"{looks or 'unknown'} ({str(error).removeprefix(f'{path}: ')})", None


def _closer(path: Path, head: bytes, looks: str | None) -> Kind:
    if looks == "a prototxt":
        net = read_net(path)
        return f'a prototxt: net "{net.name}", {len(net.layers)} layers', net.name
    if looks == "a safetensors file":
        return _safetensors(path)
    if head.startswith(b"PK"):
        return _zip(path)
    if head[2:].startswith(OUR_ONNX):
        return _said("an ONNX model", {"made_by": "caffe2py", "net": _onnx_net(path)})
    if looks == "an HDF5 file":
        return _dump(path) or _weights(path, "Caffe weights in HDF5")
    return _weights(path, "a caffemodel") if looks is None else (looks, None)


def _weights(path: Path, form: str) -> Kind:
    weights = read_weights(path)
    return f'{form}: net "{weights.name}", {len(weights.layers)} layers', weights.name


def _dump(path: Path) -> Kind | None:
    """Recorded activations, if that is what they say."""
    with open_dump(path) as dump:
        if not isinstance(dump, LayerDump):
            return None
        return f'recorded activations: net "{dump.net}", {len(dump.records)} layers', dump.net


def _zip(path: Path) -> Kind:
    with zipfile.ZipFile(path) as file:
        names = {name.partition("/")[2]: name for name in file.namelist()}

        def content(name: str) -> bytes:
            with file.open(names[name]) as member:
                return member.read(LONGEST)

        if "archive_format" in names:
            said = json.loads(content("extra/metadata.json")) if "extra/metadata.json" in names else {}
            return _said("a program exported by torch.export", said)
        if "data.pkl" in names:
            return _said("a file of torch.save", _pickled(content("data.pkl")))
        if not all(name.endswith(".npy") for name in file.namelist()):
            return "a zip archive", None
        arrays = len(file.namelist())
    return _dump(path) or (f"an .npz of {arrays} arrays", None)


def _pickled(data: bytes) -> Mapping[str, Any]:
    """What a pickle of ours says of itself: its texts are looked at, and nothing in it is made."""
    texts = [text for _, text, _ in pickletools.genops(data) if isinstance(text, str)]
    if "caffe2py/1" not in texts or "net" not in texts[:-1]:
        return {}
    return {"made_by": "caffe2py", "net": texts[texts.index("net") + 1]}


def _safetensors(path: Path) -> Kind:
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(min(size, LONGEST)))
    said = header.pop("__metadata__", {})
    return _said(f"a safetensors file of {len(header)} tensors", said)


def _onnx_net(path: Path) -> str:
    """The net that the metadata at the end of our `.onnx` names."""
    with open(path, "rb") as file:
        file.seek(max(file.seek(0, 2) - LONGEST // 1024, 0))
        _, found, rest = file.read().rpartition(b"\n\x03net\x12")  # key "net", and the value's tag
    return rest[1 : 1 + rest[0]].decode("utf-8", "replace") if found and rest else ""


def _said(kind: str, said: Mapping[str, Any]) -> Kind:
    """A kind of file that may be ours, and what it says of its making."""
    if not str(said.get("made_by", "")).startswith("caffe2py"):
        return kind, None
    return f'{kind}, made by caffe2py of net "{said.get("net", "")}"', str(said.get("net", ""))
