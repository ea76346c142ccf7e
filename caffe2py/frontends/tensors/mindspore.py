"""MindSpore's `.ckpt`: tensors as protobuf, read by a schema of our own.

A file is one message: values (1) with a tag (1) and a tensor (2) of dims (1), type (2) and content (3). A large tensor
is several values of one tag in a row, each with the whole dims, whose contents are joined. Behind it there may be
`crc_num` and the CRC-32 of all before. Source: mindspore's checkpoint.proto and serialization.py.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from mmap import mmap
from typing import NamedTuple

import numpy as np

from caffe2py.errors import FileError
from caffe2py.frontends.tensors.values import viewed, widened
from caffe2py.proto.disk.damage import damage_told
from caffe2py.proto.disk.files import map_file
from caffe2py.proto.weights.wire import LEN, VARINT, Field, WireError, fields, signed, varint

CRC, CRC_SIZE = b"crc_num", 10
TYPES = {
    **{f"Float{n}": np.dtype(f"<f{n // 8}") for n in (16, 32, 64)},
    **{f"Int{n}": np.dtype(f"<i{n // 8}") for n in (8, 16, 32, 64)},
    **{f"UInt{n}": np.dtype(f"<u{n // 8}") for n in (8, 16, 32, 64)},
    "Bool": np.dtype(np.bool_),
    "BFloat16": np.dtype("<u2"),
}
ENCRYPTED = b"\xd8\x5e\x3a\x7f"  # how each block of an encrypted file begins
TRAINING = re.compile(r"(moments?\d?|accum|stat|velocity|mean_square|mean_gradient)\.")  # what optimizers keep


class Piece(NamedTuple):
    """A value of the file: a tensor, or a part of one."""

    tag: str
    dims: tuple[int, ...]
    type: str
    content: memoryview


def read_checkpoint(path: str) -> Mapping[str, np.ndarray]:
    """The tensors of a checkpoint: what an optimizer keeps, and texts, are left out.

    Raises `FileError` for an encrypted file, for one that its CRC does not fit, and for what is no checkpoint.
    """
    buffer = map_file(path)
    if buffer[: len(ENCRYPTED)] == ENCRYPTED:
        raise FileError("this checkpoint of MindSpore is encrypted; want it saved without enc_key", path)
    end = _end(buffer, path)
    try:
        pieces = list(_pieces(buffer, end))
    except (WireError, UnicodeDecodeError) as error:
        raise FileError(f"this is no checkpoint of MindSpore ({error})", path) from None
    found: dict[str, np.ndarray] = {}
    at = 0
    while at < len(pieces):
        tag, run = pieces[at].tag, at
        while at < len(pieces) and pieces[at].tag == tag:
            at += 1
        if tag in found:
            raise FileError(f'two tensors are called "{tag}"', path)
        if pieces[run].type != "str" and not TRAINING.match(tag):
            found[tag] = _tensor(pieces[run:at], path)
    return found


def _end(buffer: mmap, path: str) -> int:
    """Where the values end: before the CRC, where there is one."""
    mark = len(buffer) - CRC_SIZE - len(CRC)
    if mark < 0 or buffer[mark : mark + len(CRC)] != CRC:
        return len(buffer)
    stored = int.from_bytes(buffer[mark + len(CRC) :], "big")
    if zlib.crc32(memoryview(buffer)[:mark]) != stored:
        raise FileError("its CRC does not fit its content: the file is damaged", path)
    return mark


def _pieces(buffer: mmap, end: int) -> Iterator[Piece]:
    for value in fields(buffer, 0, end):
        if value.number != 1 or value.wire != LEN:
            raise WireError(value.at, f"field {value.number} where a value belongs")
        parts = {f.number: f for f in fields(buffer, value.start, value.end)}
        if 1 not in parts or parts[1].wire != LEN:
            raise WireError(value.at, "a value without a tag")
        if 2 in parts:  # the other kind of value is a hash table, of which nets for pictures have none
            yield _piece(buffer, _text(buffer, parts[1]), parts[2])


def _piece(buffer: mmap, tag: str, tensor: Field) -> Piece:
    dims: list[int] = []
    kind, content = "", memoryview(b"")
    for f in fields(buffer, tensor.start, tensor.end):
        if f.number == 1 and f.wire in (VARINT, LEN):
            at = f.start
            while at < f.end:
                value, at = varint(buffer, at, f.end)
                dims.append(signed(value))
        elif f.number == 2 and f.wire == LEN:
            kind = _text(buffer, f)
        elif f.number == 3 and f.wire == LEN:
            content = memoryview(buffer)[f.start : f.end]
    return Piece(tag, tuple(dims), kind, content)


def _text(buffer: mmap, place: Field) -> str:
    return buffer[place.start : place.end].decode("utf-8")


def _tensor(pieces: list[Piece], path: str) -> np.ndarray:
    first = pieces[0]
    dtype = TYPES.get(first.type)
    if dtype is None:
        raise FileError(f'"{first.tag}" is of type {first.type}, which is not read', path)
    content = first.content if len(pieces) == 1 else memoryview(b"".join(p.content for p in pieces))
    shape = () if first.dims in ((), (0,)) and len(content) == dtype.itemsize else first.dims
    with damage_told(path, f'tensor "{first.tag}"'):
        values = viewed(content, dtype, shape)
    return widened(values) if first.type == "BFloat16" else values
