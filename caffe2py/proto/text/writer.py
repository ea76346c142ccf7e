"""Messages as prototxt text, the way Caffe's own files are written."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from caffe2py.proto.schema import V1LayerParameter
from caffe2py.proto.text.prototxt import NetText, Unknown
from caffe2py.proto.text.values import Raw, Word

Stranger = tuple[str, object]  # the path of a field outside the schema, and its value


def format_message(message: Any, unknown: Sequence[Unknown] = ()) -> str:
    """The text of a message: two spaces a level, enums by name, floats as short as they stay the same number.

    `unknown` are fields outside the schema, as the reader hands them over; in each block they stand last.
    """
    return "".join(f"{line}\n" for line in _lines(message, [(u.path, u.value) for u in unknown], ""))


def format_net(net: NetText) -> str:
    """The prototxt of a net in the format of its layers, with the fields that the schema does not know, behind its
    comment."""
    parts = [*(f"# {line}\n" for line in net.head), format_message(net.message, net.unknown)]
    for layer in net.layers:
        word = "layers" if layer.message.DESCRIPTOR is V1LayerParameter.DESCRIPTOR else "layer"
        body = _lines(layer.message, [(u.path, u.value) for u in layer.unknown], "  ")
        parts.append("".join(f"{line}\n" for line in (f"{word} {{", *body, "}")))
    return "".join(parts)


def _lines(message: Any | None, strangers: Sequence[Stranger], indent: str) -> Iterable[str]:
    inside: dict[str, list[Stranger]] = {}  # what stands in a block, by the block's name, with its index if it is not 0
    for path, value in strangers:
        head, dot, rest = path.partition(".")
        inside.setdefault(head, []).append((rest, value) if dot else ("", value))
    for field, values in message.ListFields() if message is not None else ():
        for i, value in enumerate(values if field.is_repeated else [values]):
            if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
                within = inside.pop(f"{field.name}[{i}]" if i else field.name, [])
                yield f"{indent}{field.name} {{"
                yield from _lines(value, within, f"{indent}  ")
                yield f"{indent}}}"
            else:
                yield f"{indent}{field.name}: {_scalar(field, value)}"
    for head, within in inside.items():
        name = head.partition("[")[0]
        for rest, value in within:
            if not rest and isinstance(value, Raw):
                yield f"{indent}# field {name}, which no schema explains: {value.hex(' ')}"
            elif not rest and value is not None:
                yield f"{indent}{name}: {_plain(value)}"
        if any(rest or value is None for rest, value in within):
            yield f"{indent}{name} {{"
            yield from _lines(None, [(rest, value) for rest, value in within if rest], f"{indent}  ")
            yield f"{indent}}}"


def _scalar(field: FieldDescriptor, value: Any) -> str:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        enum: Any = field.enum_type
        name: str = enum.values_by_number[value].name
        return name
    if kind == FieldDescriptor.CPPTYPE_FLOAT:
        return float32_text(value)
    return _plain(value)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Word):
        return value
    if isinstance(value, (str, bytes)):
        return quoted(value)
    return repr(value)


def float32_text(value: float) -> str:
    """The shortest decimal that is read as the same float32."""
    if not math.isfinite(value):
        return str(value)
    texts = (f"{value:.{digits}g}" for digits in range(6, 10))
    return next(t for t in texts if struct.pack("<d", value) == struct.pack("<d", _rounded(float(t))))


def _rounded(value: float) -> float:
    try:
        rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:  # the shorter decimals of the largest float32 are above it
        return math.inf
    return rounded


def quoted(value: str | bytes) -> str:
    """Text in quotes, with escapes for what does not print."""
    if isinstance(value, bytes):
        return '"' + "".join(_escaped(bytes([b])) for b in value) + '"'
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else _escaped(c.encode()) for c in value) + '"'


def _escaped(raw: bytes) -> str:
    if raw in _ESCAPES:
        return _ESCAPES[raw]
    return "".join(chr(b) if 0x20 <= b < 0x7F else f"\\{b:03o}" for b in raw)


_ESCAPES = {b'"': '\\"', b"\\": "\\\\", b"\n": "\\n", b"\r": "\\r", b"\t": "\\t"}
