"""A net as one binary message again, in the numbers of the dialect that it came in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

from caffe2py.proto.dialects.paths import inside, step
from caffe2py.proto.dialects.rules import BLOB_KINDS
from caffe2py.proto.forks import OWN, PLAIN, Dialect, dialect
from caffe2py.proto.schema import NetParameter, V1LayerParameter
from caffe2py.proto.text.prototxt import LayerText, NetText, Unknown
from caffe2py.proto.text.values import Raw, Word


def message_of(net: NetText) -> Message:
    """The net and its layers (of today's format, or of 2014's) as a NetParameter of its dialect, without blobs.

    What no schema explained goes back byte for byte. A field that has no number in any of the net's dialects, as a
    custom layer's own has not, is left out; `without_number` tells which.
    """
    own = NetParameter()
    own.CopyFrom(net.message)
    if net.name:
        own.name = net.name
    if net.dialects == (OWN,) and not net.unknown and not any(layer.unknown for layer in net.layers):
        _layers(own, net).extend(layer.message for layer in net.layers)
        return own
    schemas = [dialect(name) for name in net.dialects]
    message: Any = schemas[0].message_class("NetParameter")()
    _copy(own, message)
    _add(message, net.unknown, schemas)
    layers = _layers(message, net)
    for layer in net.layers:
        made = layers.add()
        _copy(layer.message, made)
        _add(made, layer.unknown, schemas)
    return message


def _layers(message: Any, net: NetText) -> Any:
    """Where the layers of a net stand in its message."""
    old = any(layer.message.DESCRIPTOR is V1LayerParameter.DESCRIPTOR for layer in net.layers)
    return message.layers if old else message.layer


def blob_kind(net: NetText) -> str:
    """How the net's dialect writes its blobs: as Caffe does, wherever it can."""
    kinds = BLOB_KINDS.get(net.dialects[0], (PLAIN,))
    return PLAIN if PLAIN in kinds else kinds[0]


def without_number(net: NetText) -> tuple[str, ...]:
    """The fields of the net that a caffemodel has no number for: one line for each block, for whoever writes one."""
    schemas = [dialect(name) for name in net.dialects]
    lost: dict[str, set[str]] = {}
    for layer in net.layers:
        for u in layer.unknown:
            if not isinstance(u.value, Raw) and _schema(layer, u, schemas) is None:
                lost.setdefault(u.path.partition("[")[0].partition(".")[0], set()).add(layer.message.name)
    return tuple(
        f"{block} has no number in any known schema: a caffemodel does not hold it"
        + (f" ({len(layers)} layers have it)" if len(layers) > 1 else "")
        for block, layers in lost.items()
    )


def _schema(layer: LayerText, unknown: Unknown, schemas: Sequence[Dialect]) -> Dialect | None:
    for each in schemas:
        message = each.message(layer.message.DESCRIPTOR.name)
        if message is not None and _takes(message, unknown):
            return each
    return None


def _copy(source: Any, target: Any) -> None:
    """Copy a message of Caffe's own into one of a fork, name by name. What the fork has no field for goes as bytes."""
    for field, value in source.ListFields():
        theirs = target.DESCRIPTOR.fields_by_name.get(field.name)
        if field.message_type is not None and theirs is not None and theirs.message_type is not None:
            if field.is_repeated:
                for each in value:
                    _copy(each, getattr(target, field.name).add())
            else:
                getattr(target, field.name).SetInParent()
                _copy(value, getattr(target, field.name))
        elif theirs is None or not _set(target, theirs, value, field):
            alone = type(source)()
            if field.is_repeated:
                getattr(alone, field.name).MergeFrom(value)
            elif field.message_type is not None:
                getattr(alone, field.name).CopyFrom(value)
            else:
                setattr(alone, field.name, value)
            target.MergeFromString(alone.SerializePartialToString())


def _set(target: Any, theirs: Any, value: Any, field: Any) -> bool:
    """Set a value, or several; False where the fork's field is another kind of field."""
    values = list(value) if field.is_repeated else [value]
    if theirs.cpp_type != field.cpp_type or (len(values) > 1 and not theirs.is_repeated):
        return False
    if theirs.is_repeated:
        getattr(target, field.name).extend(values)
    else:
        setattr(target, field.name, values[0])
    return True


def _add(message: Any, unknown: Sequence[Unknown], schemas: Sequence[Dialect]) -> None:
    """Add the fields that Caffe's own schema does not know, each by the first schema that does."""
    for u in unknown:
        *blocks, last = u.path.split(".")
        if _place(message, blocks, last, u.value):
            continue
        for other in schemas[1:]:
            alone = other.message_class(message.DESCRIPTOR.name)()
            if _place(alone, blocks, last, u.value):
                message.MergeFromString(alone.SerializePartialToString())
                break


def _place(message: Any, blocks: Sequence[str], last: str, value: object) -> bool:
    if not _has(message.DESCRIPTOR, blocks, last, value):
        return False
    for name, index in map(step, blocks):
        message = inside(message, name, index)
    if isinstance(value, Raw):
        message.MergeFromString(bytes(value))
        return True
    name, index = step(last)
    field = message.DESCRIPTOR.fields_by_name[name]
    if field.message_type is not None:
        made = inside(message, name, index)
        made.SetInParent()
        return True
    if field.enum_type is not None:
        value = field.enum_type.values_by_name[str(value)].number
    if field.is_repeated:
        getattr(message, name).append(value)
    else:
        setattr(message, name, value)
    return True


def _takes(message: Any, unknown: Unknown) -> bool:
    *blocks, last = unknown.path.split(".")
    return _has(message, blocks, last, unknown.value)


def _has(descriptor: Any, blocks: Sequence[str], last: str, value: object) -> bool:
    """Has a message of this schema a field for the value?"""
    for block in blocks:
        field = descriptor.fields_by_name.get(step(block)[0])
        if field is None or field.message_type is None:
            return False
        descriptor = field.message_type
    if isinstance(value, Raw):
        return True
    field = descriptor.fields_by_name.get(step(last)[0])
    if field is None or (field.message_type is not None) != (value is None):
        return False
    if field.enum_type is not None:
        return isinstance(value, Word) and value in field.enum_type.values_by_name
    return not isinstance(value, Word)
