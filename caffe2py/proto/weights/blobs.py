"""One BlobProto: Caffe's array of numbers as it stands in a file, read as a view and written as a stream.

The field numbers are those of BVLC's caffe.proto; the rules are those of Blob::FromProto (src/caffe/blob.cpp).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from caffe2py.errors import UnsupportedError
from caffe2py.proto.weights.wire import (
    I32,
    I64,
    LEN,
    VARINT,
    Buffer,
    Field,
    WireError,
    array,
    encode_field,
    encode_head,
    encode_packed,
    encode_varint,
    fields,
    signed,
    varint,
)

MOST_AXES = 32
MOST_VALUES = 2**31 - 1

FLOAT, DOUBLE, HALF = np.dtype("<f4"), np.dtype("<f8"), np.dtype("<f2")
LEGACY = (1, 2, 3, 4)  # num, channels, height, width
DATA, DIFF, SHAPE, DOUBLE_DATA, DOUBLE_DIFF = 5, 6, 7, 8, 9
RAW_TYPE, RAW_DATA = 10, 12  # NVCaffe
WIRES = {
    **dict.fromkeys(LEGACY, (VARINT,)),
    DATA: (LEN, I32),
    DIFF: (LEN, I32),
    SHAPE: (LEN,),
    DOUBLE_DATA: (LEN, I64),
    DOUBLE_DIFF: (LEN, I64),
    RAW_TYPE: (VARINT,),
    RAW_DATA: (LEN,),
}
RAW_TYPES = (DOUBLE, FLOAT, HALF)


@dataclass(frozen=True)
class Blob:
    """An array as the file holds it.

    ``data`` is float32, or float64 where the file has ``double_data``. Values that the file holds in one piece are a
    writable view on its private map (the file is never changed), not necessarily aligned. ``legacy`` tells that the
    shape was given as num, channels, height, width: four axes, the leading ones of which may be padding. ``absent``
    marks a blob that an HDF5 file holds only at the layer that owns it; ``data`` is empty then.
    """

    data: np.ndarray
    legacy: bool = False
    absent: bool = False


def parse_blob(buf: Buffer, start: int, end: int) -> Blob:
    """The BlobProto in ``buf[start:end]``. Raises WireError, UnsupportedError for a fork's blobs."""
    found: dict[int, list[Field]] = {}
    for field in fields(buf, start, end):
        wires = WIRES.get(field.number)
        if wires:
            if field.wire not in wires:
                raise _misfit(field)
            found.setdefault(field.number, []).append(field)
    legacy = not found.keys().isdisjoint(LEGACY)
    shape = _legacy_shape(buf, found) if legacy else _shape(buf, found.get(SHAPE, []))
    count = _count(start, shape)
    values = _values(buf, found)
    if values.size != count:
        raise WireError(start, f"a blob of shape {shape} holds {count} values, the file has {values.size}")
    return Blob(values.reshape(shape), legacy)


def encode_blob(blob: Blob) -> tuple[int, Iterator[bytes | memoryview]]:
    """The length of the BlobProto of a float32 or float64 blob, and its bytes, piece by piece."""
    data = blob.data
    number, dtype = (DOUBLE_DATA, DOUBLE) if data.dtype.itemsize == DOUBLE.itemsize else (DATA, FLOAT)
    if blob.legacy:
        sizes = zip(LEGACY, data.shape, strict=True)
        before, after = b"".join(encode_varint(n << 3 | VARINT) + encode_varint(size) for n, size in sizes), b""
    else:
        shape = encode_field(SHAPE, encode_packed(1, data.shape) if data.shape else b"")
        before, after = (b"", shape) if number < SHAPE else (shape, b"")
    payload = data.size * dtype.itemsize
    head = before + (encode_head(number, payload) if payload else b"")

    def pieces() -> Iterator[bytes | memoryview]:
        yield head
        if payload:
            yield np.ascontiguousarray(data, dtype).reshape(-1).view(np.uint8).data
        yield after

    return len(head) + payload + len(after), pieces()


def _misfit(field: Field) -> Exception:
    if field.number == DATA and field.wire == VARINT:
        return UnsupportedError(f"byte {field.at}: blobs of C3D v1.0 (with a length) are not read")
    if field.number == RAW_TYPE and field.wire == LEN:
        return UnsupportedError(f"byte {field.at}: packed blobs of OpenCL Caffe (packed_data) are not read")
    return WireError(field.at, f"field {field.number} of a blob has wire type {field.wire}")


def _legacy_shape(buf: Buffer, found: dict[int, list[Field]]) -> tuple[int, ...]:
    """Any of the four makes the blob four-dimensional; one that is absent is 0, as in Caffe."""
    return tuple(_number(buf, found[number][-1]) if number in found else 0 for number in LEGACY)


def _shape(buf: Buffer, messages: list[Field]) -> tuple[int, ...]:
    """The dims of a BlobShape, packed or not. None at all is a scalar."""
    dims: list[int] = []
    for message in messages:
        for field in fields(buf, message.start, message.end):
            if field.number != 1:
                continue
            if field.wire not in (VARINT, LEN):
                raise WireError(field.at, f"field 1 of a blob's shape has wire type {field.wire}")
            position = field.start
            while position < field.end:
                value, position = varint(buf, position, field.end)
                dims.append(signed(value))
                if len(dims) > MOST_AXES:
                    raise WireError(field.at, f"a blob of more than {MOST_AXES} axes")
    return tuple(dims)


def _number(buf: Buffer, field: Field) -> int:
    return signed(varint(buf, field.start, field.end)[0])


def _count(at: int, shape: tuple[int, ...]) -> int:
    if shape and min(shape) < 0:
        raise WireError(at, f"a blob of shape {shape}: negative")
    count = math.prod(shape)
    if (count or math.prod(filter(None, shape))) > MOST_VALUES:
        raise WireError(at, f"a blob of shape {shape}: more than {MOST_VALUES} values")
    return count


def _values(buf: Buffer, found: dict[int, list[Field]]) -> np.ndarray:
    """double_data if there is any, else data; NVCaffe's raw_data where it stands instead of both."""
    if RAW_DATA in found and DATA not in found and DOUBLE_DATA not in found:
        kind = _number(buf, found[RAW_TYPE][-1]) if RAW_TYPE in found else 0
        if not 0 <= kind < len(RAW_TYPES):
            raise UnsupportedError(f"byte {found[RAW_DATA][-1].at}: NVCaffe's raw_data of type {kind} is not read")
        raw = array(buf, found[RAW_DATA][-1], RAW_TYPES[kind])
        return raw.astype(FLOAT) if raw.dtype == HALF else raw
    if DOUBLE_DATA in found:
        values = _join(buf, found[DOUBLE_DATA], DOUBLE)
        if values.size:
            return values
    return _join(buf, found.get(DATA, []), FLOAT)


def _join(buf: Buffer, pieces: list[Field], dtype: np.dtype) -> np.ndarray:
    arrays = [array(buf, field, dtype) for field in pieces]
    if len(arrays) == 1 and pieces[0].wire == LEN:
        return arrays[0]
    return np.concatenate(arrays) if arrays else np.empty(0, dtype)
