"""One BlobProto: Caffe's array of numbers as it stands in a file, read as a view and written as a stream.

The field numbers are those of BVLC's caffe.proto; the rules are those of Blob::FromProto (src/caffe/blob.cpp). Three
forks have blobs of another kind, told by a field with another wire type: C3D v1.0's have a length and numbers of their
own, NVCaffe's and OpenCL Caffe's hold their values as bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from caffe2py.errors import UnsupportedError
from caffe2py.proto.forks import C3D, PACKED, PLAIN, RAW
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
MOST_UNKNOWN = 1 << 26  # bytes of fields that no fork is known to have

FLOAT, DOUBLE, HALF = np.dtype("<f4"), np.dtype("<f8"), np.dtype("<f2")
LEGACY = (1, 2, 3, 4)  # num, channels, height, width
DATA, DIFF, SHAPE, DOUBLE_DATA, DOUBLE_DIFF = 5, 6, 7, 8, 9
RAW_TYPE, RAW_DIFF_TYPE, RAW_DATA, RAW_DIFF = 10, 11, 12, 13  # NVCaffe
PACKED_STRIDE, PACKED_DATA, PACKED_DIFF, PACKED_TYPE = 10, 11, 12, 13  # OpenCL Caffe
C3D_LEGACY, C3D_DATA, C3D_DIFF = (1, 2, 3, 4, 5), 6, 7  # num, channels, length, height, width
WIRES = {
    **dict.fromkeys(LEGACY, (VARINT,)),
    DATA: (LEN, I32),
    DIFF: (LEN, I32),
    SHAPE: (LEN,),
    DOUBLE_DATA: (LEN, I64),
    DOUBLE_DIFF: (LEN, I64),
}
KINDS: Mapping[str, Mapping[int, tuple[int, ...]]] = {
    PLAIN: WIRES,
    RAW: {**WIRES, RAW_TYPE: (VARINT,), RAW_DIFF_TYPE: (VARINT,), RAW_DATA: (LEN,), RAW_DIFF: (LEN,)},
    PACKED: {**WIRES, PACKED_STRIDE: (LEN,), PACKED_DATA: (LEN,), PACKED_DIFF: (LEN,), PACKED_TYPE: (VARINT,)},
    C3D: {**dict.fromkeys(C3D_LEGACY, (VARINT,)), C3D_DATA: (LEN, I32), C3D_DIFF: (LEN, I32)},
}
RAW_TYPES = (DOUBLE, FLOAT, HALF)
PACKED_TYPES = (FLOAT, DOUBLE, HALF)  # the first of OpenCL Caffe's; the others are quantized


@dataclass(frozen=True)
class Blob:
    """An array as the file holds it.

    ``data`` is float32, or float64 where the file has ``double_data``. Values that the file holds in one piece are a
    writable view on its private map (the file is never changed), not necessarily aligned. ``legacy`` tells that the
    shape was given as num, channels, height, width (C3D: five numbers), the leading ones of which may be padding.
    ``absent`` marks a blob that an HDF5 file holds only at the layer that owns it; ``data`` is empty then. ``kind`` is
    PLAIN, or that of the fork which wrote it; ``extra`` are fields that nobody knows, as they stand in the file.
    """

    data: np.ndarray
    legacy: bool = False
    absent: bool = False
    kind: str = PLAIN
    extra: bytes = b""


def parse_blob(buf: Buffer, start: int, end: int) -> Blob:
    """The BlobProto in ``buf[start:end]``, of any kind. Raises WireError, UnsupportedError for quantized values."""
    found, other = _sorted(buf, start, end, WIRES)
    kind = _kind(other) if other else PLAIN
    if kind != PLAIN:
        found, other = _sorted(buf, start, end, KINDS[kind])
    for field in other:
        if field.number in KINDS[kind]:
            raise WireError(field.at, f"field {field.number} of a blob has wire type {field.wire}")
    sizes = C3D_LEGACY if kind == C3D else LEGACY
    legacy = not found.keys().isdisjoint(sizes)
    shape = _legacy_shape(buf, found, sizes) if legacy else _shape(buf, found.get(SHAPE, []))
    count = _count(start, shape)
    values = _join(buf, found.get(C3D_DATA, []), FLOAT) if kind == C3D else _values(buf, found, kind, count)
    if values.size != count:
        raise WireError(start, f"a blob of shape {shape} holds {count} values, the file has {values.size}")
    return Blob(values.reshape(shape), legacy, kind=kind, extra=_cut(buf, start, other) if other else b"")


def _sorted(
    buf: Buffer, start: int, end: int, wires: Mapping[int, tuple[int, ...]]
) -> tuple[dict[int, list[Field]], list[Field]]:
    """The fields that are as they should be, by their numbers, and all others."""
    found: dict[int, list[Field]] = {}
    other: list[Field] = []
    for field in fields(buf, start, end):
        if field.wire in wires.get(field.number, ()):
            found.setdefault(field.number, []).append(field)
        else:
            other.append(field)
    return found, other


def _cut(buf: Buffer, start: int, unknown: list[Field]) -> bytes:
    if sum(field.end - field.at for field in unknown) > MOST_UNKNOWN:
        raise WireError(start, f"a blob with more than {MOST_UNKNOWN} bytes of fields that nobody knows")
    return b"".join(buf[field.at : field.end] for field in unknown)


def _kind(items: list[Field]) -> str:
    """Whose blob this is: Caffe's own data (5) are no number, and its fields end at 9."""
    for field in items:
        if field.number == DATA and field.wire == VARINT:
            return C3D
        if field.number in (PACKED_STRIDE, PACKED_DATA) and field.wire == LEN:
            return PACKED
        if field.number in (RAW_TYPE, RAW_DATA):
            return RAW
    return PLAIN


def encode_blob(blob: Blob, kind: str = PLAIN) -> tuple[int, Iterator[bytes | memoryview]]:
    """The length of the BlobProto of a float32 or float64 blob, and its bytes, piece by piece. `kind`: of that kind."""
    data = blob.data
    number, dtype = (DOUBLE_DATA, DOUBLE) if data.dtype.itemsize == DOUBLE.itemsize else (DATA, FLOAT)
    shape = encode_field(SHAPE, encode_packed(1, data.shape) if data.shape else b"")
    if kind == C3D:
        number, dtype = C3D_DATA, FLOAT
        padded = (1,) * (len(C3D_LEGACY) - data.ndim) + data.shape
        before, after = _encode_sizes(C3D_LEGACY, padded), b""
    elif kind == RAW:
        before, after = shape + encode_varint(RAW_TYPE << 3 | VARINT) + encode_varint(RAW_TYPES.index(dtype)), b""
        number = RAW_DATA
    elif blob.legacy and data.ndim == len(LEGACY):
        before, after = _encode_sizes(LEGACY, data.shape), b""
    else:
        before, after = (b"", shape) if number < SHAPE else (shape, b"")
    after += blob.extra
    payload = data.size * dtype.itemsize
    head = before + (encode_head(number, payload) if payload else b"")

    def pieces() -> Iterator[bytes | memoryview]:
        yield head
        if payload:
            yield np.ascontiguousarray(data, dtype).reshape(-1).view(np.uint8).data
        yield after

    return len(head) + payload + len(after), pieces()


def _encode_sizes(numbers: tuple[int, ...], shape: tuple[int, ...]) -> bytes:
    sizes = zip(numbers, shape, strict=True)
    return b"".join(encode_varint(n << 3 | VARINT) + encode_varint(size) for n, size in sizes)


def _legacy_shape(buf: Buffer, found: dict[int, list[Field]], sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Any of the four makes the blob four-dimensional; one that is absent is 0, as in Caffe."""
    return tuple(_number(buf, found[number][-1]) if number in found else 0 for number in sizes)


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


def _values(buf: Buffer, found: dict[int, list[Field]], kind: str, count: int) -> np.ndarray:
    """double_data if there is any, else data; the bytes of a fork where they stand instead of both."""
    if kind != PLAIN and DATA not in found and DOUBLE_DATA not in found:
        return _raw(buf, found) if kind == RAW else _packed(buf, found, count)
    if DOUBLE_DATA in found:
        values = _join(buf, found[DOUBLE_DATA], DOUBLE)
        if values.size:
            return values
    return _join(buf, found.get(DATA, []), FLOAT)


def _raw(buf: Buffer, found: dict[int, list[Field]]) -> np.ndarray:
    """NVCaffe's values; half precision becomes float32."""
    if RAW_DATA not in found:
        return np.empty(0, FLOAT)
    kind = _number(buf, found[RAW_TYPE][-1]) if RAW_TYPE in found else 0
    if not 0 <= kind < len(RAW_TYPES):
        raise UnsupportedError(f"byte {found[RAW_DATA][-1].at}: NVCaffe's raw_data of type {kind} is not read")
    raw = array(buf, found[RAW_DATA][-1], RAW_TYPES[kind])
    return raw.astype(FLOAT) if raw.dtype == HALF else raw


def _packed(buf: Buffer, found: dict[int, list[Field]], count: int) -> np.ndarray:
    """OpenCL Caffe's values. Their type must agree with their size, so that a wrong guess of ours shows."""
    if PACKED_DATA not in found:
        return np.empty(0, FLOAT)
    place = found[PACKED_DATA][-1]
    kind = _number(buf, found[PACKED_TYPE][-1]) if PACKED_TYPE in found else 0
    dtype = PACKED_TYPES[kind] if 0 <= kind < len(PACKED_TYPES) else None
    if dtype is None or place.end - place.start != count * dtype.itemsize:
        size = place.end - place.start
        fact = f"OpenCL Caffe's packed_data of type {kind}, {size} bytes for {count} values"
        raise UnsupportedError(f"byte {place.at}: {fact}; want float32, float64 or half precision")
    packed = array(buf, place, dtype)
    return packed.astype(FLOAT) if dtype == HALF else packed


def _join(buf: Buffer, pieces: list[Field], dtype: np.dtype) -> np.ndarray:
    arrays = [array(buf, field, dtype) for field in pieces]
    if len(arrays) == 1 and pieces[0].wire == LEN:
        return arrays[0]
    return np.concatenate(arrays) if arrays else np.empty(0, dtype)
