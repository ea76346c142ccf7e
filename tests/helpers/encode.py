"""Protobuf bytes made by hand, so that the readers are not tested with the writers."""

from __future__ import annotations

import struct


def number(value: int) -> bytes:
    """A varint."""
    value %= 1 << 64
    out = []
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes([*out, value])


def tag(field: int, wire: int) -> bytes:
    return number(field * 8 + wire)


def integer(field: int, value: int) -> bytes:
    return tag(field, 0) + number(value)


def text(field: int, payload: bytes | str) -> bytes:
    payload = payload.encode() if isinstance(payload, str) else payload
    return tag(field, 2) + number(len(payload)) + payload


def packed(field: int, values: list[float], code: str = "f") -> bytes:
    return text(field, struct.pack(f"<{len(values)}{code}", *values))


def unpacked(field: int, values: list[float], code: str = "f") -> bytes:
    wire = {"f": 5, "d": 1}[code]
    return b"".join(tag(field, wire) + struct.pack(f"<{code}", value) for value in values)


def shape(*dims: int) -> bytes:
    """A blob's shape, packed as Caffe writes it."""
    return text(7, text(1, b"".join(number(dim) for dim in dims)))


def legacy(*dims: int) -> bytes:
    """num, channels, height, width."""
    return b"".join(integer(field, dim) for field, dim in enumerate(dims, 1))


def layer(name: bytes | str, kind: str, *blobs: bytes, more: bytes = b"") -> bytes:
    """A layer of today's format."""
    return text(100, text(1, name) + text(2, kind) + b"".join(text(7, blob) for blob in blobs) + more)


def v1_layer(name: str, kind: int, *blobs: bytes) -> bytes:
    return text(2, text(2, "below") + text(4, name) + integer(5, kind) + b"".join(text(6, blob) for blob in blobs))


def v0_layer(name: str, kind: str, *blobs: bytes) -> bytes:
    inner = text(1, name) + text(2, kind) + integer(3, 7) + b"".join(text(50, blob) for blob in blobs)
    return text(2, text(1, inner) + text(2, "below") + text(3, "above"))
