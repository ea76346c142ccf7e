"""The file that `torch.save` writes, without waiting for torch.

It is a zip whose members are stored as they are: a pickle of the object, in which a tensor is a call of torch's
`_rebuild_tensor_v2` on a storage that has a number, and for each storage its bytes, which begin at a multiple of 64, so
that they can be mapped. `torch.load(weights_only=True)` reads it (torch/serialization.py and
torch/_weights_only_unpickler.py, caffe2/serialize/inline_container.h of torch 2.13).
"""

from __future__ import annotations

import math
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

STORAGES = {np.dtype(np.float32): "FloatStorage", np.dtype(np.int64): "LongStorage"}
ALIGNMENT = 64
HEADER = 30  # bytes of a member's header before its name
WIDE = 20  # bytes that a header of a member of 2 GB and more has besides
PAD = struct.Struct("<2sH")  # an extra field: whose it is, its length
PIECE = 1 << 20
ORDERED = b"ccollections\nOrderedDict\n)R"
Storages = dict[int, tuple[str, np.ndarray]]  # by the array's identity: two names of one array are one storage


def save(held: Any, path: Path) -> None:
    """Write dicts, lists, texts, numbers, and arrays of float32 and int64 as tensors.

    An array that occurs twice is one storage. Raises OSError, as writing a file does.
    """
    storages: Storages = {}
    text = b"\x80\x02" + b"".join(_pickled(held, storages)) + b"."
    with open(path, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        small = {
            "data.pkl": text,
            ".format_version": b"1",
            ".storage_alignment": b"%d" % ALIGNMENT,
            "byteorder": b"little",
        }
        for name, content in small.items():
            archive.writestr(_member(name), content)
        for number, array in storages.values():
            member = _member(f"data/{number}")
            member.file_size = array.nbytes
            member.extra = _padding(file.tell(), member)
            with archive.open(member, "w") as opened:
                whole = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
                for at in range(0, len(whole), PIECE):
                    opened.write(whole[at : at + PIECE])
        archive.writestr(_member("version"), b"3\n")


def _member(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(f"archive/{name}")


def _padding(start: int, member: zipfile.ZipInfo) -> bytes:
    """An extra field by which the bytes behind the header of a member that starts here begin aligned."""
    wide = WIDE if member.file_size * 1.05 > zipfile.ZIP64_LIMIT else 0
    size = -(start + HEADER + len(member.filename) + wide + PAD.size) % ALIGNMENT
    return PAD.pack(b"FB", size) + b"Z" * size


def _pickled(value: Any, storages: Storages) -> Iterator[bytes]:
    """The opcodes of pickle's protocol 2 that make a value."""
    if isinstance(value, np.ndarray):
        yield from _tensor(value, storages)
    elif isinstance(value, Mapping):
        ordered = isinstance(value, OrderedDict)
        yield ORDERED if ordered else b"}"
        yield b"("
        for item in value.items():
            for each in item:
                yield from _pickled(each, storages)
        yield b"u"
        if ordered:  # with its attributes: a state dict of torch's has `_metadata`
            yield from _pickled(dict(vars(value)), storages)
            yield b"b"
    elif isinstance(value, list | tuple):
        yield b"](" if isinstance(value, list) else b"("
        for each in value:
            yield from _pickled(each, storages)
        yield b"e" if isinstance(value, list) else b"t"
    elif isinstance(value, str):
        text = value.encode("utf-8", "surrogatepass")
        yield b"X" + struct.pack("<I", len(text)) + text
    elif value is None or isinstance(value, bool):
        yield {None: b"N", True: b"\x88", False: b"\x89"}[value]
    elif isinstance(value, int):
        yield b"\x8a\x09" + value.to_bytes(9, "little", signed=True)
    else:
        raise TypeError(f"a {type(value).__name__} has no place in a .pt")


def _tensor(array: np.ndarray, storages: Storages) -> Iterator[bytes]:
    """_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, OrderedDict()): a contiguous tensor."""
    number, _ = storages.setdefault(id(array), (str(len(storages)), array))
    stride = tuple(math.prod(array.shape[axis + 1 :]) for axis in range(array.ndim))
    yield b"ctorch._utils\n_rebuild_tensor_v2\n(("
    yield from _pickled("storage", storages)
    yield b"ctorch\n%s\n" % STORAGES[array.dtype].encode()
    for each in (number, "cpu", array.size):
        yield from _pickled(each, storages)
    yield b"tQ"
    for place in (0, array.shape, stride, False):
        yield from _pickled(place, storages)
    yield ORDERED + b"tR"
