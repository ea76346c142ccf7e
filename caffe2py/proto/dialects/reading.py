"""What bytes say by one schema: every value with its path, and what the schema does not explain, byte for byte.

Protobuf itself takes what fits and drops the rest. Here a value must fit: its wire type, its range, a word of its
enum, text that is text, once where it stands once; for that is what tells the forks of Caffe apart.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from caffe2py.proto.names import decode_name
from caffe2py.proto.text.values import Raw, Word
from caffe2py.proto.text.writer import float32_text
from caffe2py.proto.weights.wire import FIXED, I32, I64, LEN, VARINT, Field, WireError, fields, signed, varint

DEEPEST = 32  # Caffe's own messages nest five deep


class Leaf(NamedTuple):
    """One value with its path, as `Unknown` has them. A `Raw` value's path ends in the number of its field."""

    path: str
    value: object
    default: bool = False  # what is there without it


class Reading(NamedTuple):
    """What a field of a layer says by one schema. `strange` counts what does not fit, or makes no sense."""

    leaves: tuple[Leaf, ...]
    strange: int = 0

    @property
    def meaning(self) -> frozenset[tuple[str, str]]:
        """The values that are not there anyway: readings of one meaning do not differ."""
        values = ((leaf.path, leaf.value) for leaf in self.leaves if not leaf.default)
        return frozenset((path, value if isinstance(value, Word) else repr(value)) for path, value in values)


def read_block(data: bytes, start: int, end: int, message: Descriptor, prefix: str = "", depth: int = 0) -> Reading:
    """The values of a message by its schema. Raises WireError where the bytes are no message."""
    leaves: list[Leaf] = []
    strange = 0
    seen: dict[str, int] = {}
    for item in fields(data, start, end):
        found = read_field(data, item, message.fields_by_number.get(item.number), prefix, seen, depth)
        leaves += found.leaves
        strange += found.strange
    for field in message.fields:
        if field.is_required and field.name not in seen:
            strange += 1
    return Reading(tuple(leaves), strange)


def read_field(
    data: bytes, item: Field, field: FieldDescriptor | None, prefix: str, seen: dict[str, int], depth: int = 0
) -> Reading:
    """The values of one field of a message; `seen` counts those of each name."""
    n = seen.get(field.name, 0) if field is not None else 0
    if field is not None and (field.is_repeated or not n):
        seen[field.name] = n + 1
        path = f"{prefix}{field.name}"
        if field.message_type is not None:
            found = _block(data, item, field.message_type, f"{path}[{n}]" if n else path, depth)
            if found is not None:
                return found
        elif (values := _values(data, item, field)) is not None:
            return Reading(tuple(Leaf(path, value, _is_default(field, value)) for value in values))
    return Reading((Leaf(f"{prefix}{item.number}", Raw(data[item.at : item.end])),), 1)


def _block(data: bytes, item: Field, message: Descriptor, path: str, depth: int) -> Reading | None:
    if item.wire != LEN or depth == DEEPEST:
        return None
    if item.start == item.end:
        return Reading((Leaf(path, None),))
    try:
        return read_block(data, item.start, item.end, message, f"{path}.", depth + 1)
    except WireError:
        return None


_NUMBERS = {
    FieldDescriptor.TYPE_INT32: (-(1 << 31), (1 << 31) - 1),
    FieldDescriptor.TYPE_INT64: (-(1 << 63), (1 << 63) - 1),
    FieldDescriptor.TYPE_UINT32: (0, (1 << 32) - 1),
    FieldDescriptor.TYPE_UINT64: (0, (1 << 64) - 1),
}
_FLOATS = {FieldDescriptor.TYPE_FLOAT: (I32, "<f"), FieldDescriptor.TYPE_DOUBLE: (I64, "<d")}


def _values(data: bytes, item: Field, field: FieldDescriptor) -> list[object] | None:
    """The values of a field, packed or not; None where they do not fit it."""
    kind = field.type
    if kind == FieldDescriptor.TYPE_STRING:
        return _text(data[item.start : item.end]) if item.wire == LEN else None
    if kind == FieldDescriptor.TYPE_BYTES:
        return [data[item.start : item.end]] if item.wire == LEN else None
    if item.wire == LEN and not field.is_repeated:
        return None
    if kind in _FLOATS:
        return _floats(data, item, field)
    if item.wire not in (LEN, VARINT):
        return None
    numbers = list(_varints(data, item))
    values = [_number(field, number) for number in numbers]
    return None if None in values else values


def _text(raw: bytes) -> list[object] | None:
    """Text holds no control characters but ends of lines, and begins with none; blocks taken for text do."""
    if any(byte < 32 and byte not in b"\t\n\r" for byte in raw) or raw[:1] in (b"\t", b"\n", b"\r"):
        return None
    return [decode_name(raw)]


def _floats(data: bytes, item: Field, field: FieldDescriptor) -> list[object] | None:
    wire, form = _FLOATS[field.type]
    size = FIXED[wire]
    if item.wire == LEN:
        places = range(item.start, item.end, size)
        if (item.end - item.start) % size:
            return None
    elif item.wire == wire:
        if item.records > 1 and not field.is_repeated:
            return None
        places = range(item.start, item.end, size + item.start - item.at)
    else:
        return None
    values = [struct.unpack_from(form, data, at)[0] for at in places]
    return [float(float32_text(v)) for v in values] if wire == I32 else values


def _varints(data: bytes, item: Field) -> Iterator[int]:
    at = item.start
    while at < item.end:
        number, at = varint(data, at, item.end)
        yield number


def _number(field: FieldDescriptor, number: int) -> object:
    """A varint as the field's value, None where it is outside its range."""
    if field.type == FieldDescriptor.TYPE_BOOL:
        return bool(number) if number < 2 else None
    if field.type == FieldDescriptor.TYPE_ENUM:
        enum: Any = field.enum_type
        word = enum.values_by_number.get(signed(number))
        return None if word is None else Word(word.name)
    if field.type not in _NUMBERS:
        return None
    low, high = _NUMBERS[field.type]
    value = signed(number) if low else number
    return value if low <= value <= high else None


def _is_default(field: FieldDescriptor, value: object) -> bool:
    if field.is_repeated or not field.has_default_value:
        return False
    enum: Any = field.enum_type
    if enum is not None:
        return value == enum.values_by_number[field.default_value].name
    if isinstance(value, float) and field.type == FieldDescriptor.TYPE_FLOAT:
        return value == float(float32_text(field.default_value))
    return bool(value == field.default_value)


@cache
def form(message: Descriptor) -> bytes:
    """What is alike where two schemas read a message alike: its fields, and those of the messages inside."""
    proto = descriptor_pb2.DescriptorProto()
    message.CopyToProto(proto)
    inner = sorted({f.message_type.full_name: f.message_type for f in message.fields if f.message_type}.items())
    return proto.SerializeToString() + b"".join(form(m) for _, m in inner)
