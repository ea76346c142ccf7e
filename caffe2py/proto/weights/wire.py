"""Protobuf's wire format, scanned in place: where each field of a message lies, every length checked.

A message is a row of fields: a tag (field number << 3 | wire type) and a payload. Nothing is copied and no
payload is touched, so a file of any size is scanned by the pages that hold its tags. Source: protobuf.dev, "Encoding".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from mmap import mmap
from typing import NamedTuple

import numpy as np

VARINT, I64, LEN, START_GROUP, END_GROUP, I32 = range(6)
FIXED = {I64: 8, I32: 4}
DEEPEST_GROUP = 100  # protobuf's own limit on nesting

Buffer = bytes | mmap


class WireError(ValueError):
    """Bytes that are not a protobuf message: the fact, and the byte where it shows."""

    def __init__(self, at: int, fact: str) -> None:
        self.at = at
        self.fact = fact
        super().__init__(f"byte {at}: {fact}")


class Field(NamedTuple):
    """One field: its tag begins at ``at``, its payload is ``start`` to ``end``.

    Fixed-width fields of one number that follow each other are given as one field (see ``records``): unpacked
    floats come by the million. A group's payload ends with its end tag.
    """

    number: int
    wire: int
    at: int
    start: int
    end: int

    @property
    def records(self) -> int:
        """How many fixed-width records the run holds, each with a tag of ``start - at`` bytes before it."""
        return (self.end - self.at) // (FIXED[self.wire] + self.start - self.at)


def fields(buf: Buffer, start: int, end: int) -> Iterator[Field]:
    """The fields of the message that lies in ``buf[start:end]``. Raises WireError."""
    position = start
    while position < end:
        at = position
        number, wire, position = _tag(buf, at, end)
        if wire == LEN:
            length, position = varint(buf, position, end)
            stop = position + length
            if stop > end:
                raise WireError(at, f"field {number} announces {length} bytes, {end - position} are left")
        elif wire == VARINT:
            stop = varint(buf, position, end)[1]
        elif wire in FIXED:
            stop = _fixed(number, position, end, FIXED[wire])
            if position - at == 1:
                stop = _run_end(buf, buf[at], stop, end, FIXED[wire] + 1)
        elif wire == START_GROUP:
            stop = _group_end(buf, number, position, end)
        else:
            raise WireError(at, f"group {number} ends without having begun")
        yield Field(number, wire, at, position, stop)
        position = stop


def varint(buf: Buffer, position: int, end: int) -> tuple[int, int]:
    """The number at ``position`` (seven bits a byte, lowest first, modulo 2^64) and where it ends."""
    if position < end and buf[position] < 0x80:
        return buf[position], position + 1
    value = shift = 0
    for at in range(position, min(position + 10, end)):
        byte = buf[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at + 1
        shift += 7
    if end - position < 10:
        raise WireError(position, "the message ends inside a number")
    raise WireError(position, "a number of more than 10 bytes")


def signed(value: int) -> int:
    """A varint's value as protobuf reads it for int32 and int64 fields."""
    return value - (1 << 64) if value >= 1 << 63 else value


def array(buf: Buffer, field: Field, dtype: np.dtype) -> np.ndarray:
    """The values of a packed field (a view on the buffer) or of a run of unpacked ones (a view with a stride)."""
    size = dtype.itemsize
    if field.wire == LEN:
        count, rest = divmod(field.end - field.start, size)
        if rest:
            raise WireError(field.at, f"{field.end - field.start} bytes are no whole number of values of {size} bytes")
        return np.ndarray((count,), dtype, buf, field.start if count else 0)
    return np.ndarray((field.records,), dtype, buf, field.start, (size + field.start - field.at,))


def encode_varint(value: int) -> bytes:
    """``value`` (0 to 2^64 - 1) in seven bits a byte, lowest first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_head(number: int, length: int) -> bytes:
    """What stands before the payload of a length-delimited field."""
    return encode_varint(number << 3 | LEN) + encode_varint(length)


def encode_field(number: int, payload: bytes) -> bytes:
    """A whole length-delimited field."""
    return encode_head(number, len(payload)) + payload


def encode_packed(number: int, values: Iterable[int]) -> bytes:
    """A packed field of numbers."""
    return encode_field(number, b"".join(encode_varint(value) for value in values))


def _tag(buf: Buffer, position: int, end: int) -> tuple[int, int, int]:
    key, after = varint(buf, position, end)
    if key < 8 or key >> 32:
        raise WireError(position, f"field number {key >> 3}")
    if key & 7 > I32:
        raise WireError(position, f"wire type {key & 7}")
    return key >> 3, key & 7, after


def _fixed(number: int, position: int, end: int, size: int) -> int:
    if position + size > end:
        raise WireError(position, f"field {number} has {size} bytes, {end - position} are left")
    return position + size


def _run_end(buf: Buffer, tag: int, position: int, end: int, stride: int) -> int:
    """Where the records of ``stride`` bytes that begin with ``tag`` end; looks ahead ever further while they go on."""
    rows = 16
    while position + stride <= end and buf[position] == tag:
        rows = min(2 * rows, 1 << 20, (end - position) // stride)
        others = np.ndarray((rows,), np.uint8, buf, position, (stride,)) != tag
        first = int(others.argmax())
        if others[first]:
            return position + first * stride
        position += rows * stride
    return position


def _group_end(buf: Buffer, number: int, position: int, end: int) -> int:
    open_groups = [number]
    while open_groups:
        if position >= end:
            raise WireError(position, f"group {open_groups[-1]} does not end")
        at = position
        number, wire, position = _tag(buf, at, end)
        if wire == START_GROUP:
            if len(open_groups) == DEEPEST_GROUP:
                raise WireError(at, f"groups nested more than {DEEPEST_GROUP} deep")
            open_groups.append(number)
        elif wire == END_GROUP:
            if open_groups.pop() != number:
                raise WireError(at, f"group {number} ends without having begun")
        elif wire == LEN:
            length, position = varint(buf, position, end)
            if length > end - position:
                raise WireError(at, f"field {number} announces {length} bytes, {end - position} are left")
            position += length
        elif wire == VARINT:
            position = varint(buf, position, end)[1]
        else:
            position = _fixed(number, position, end, FIXED[wire])
    return position
