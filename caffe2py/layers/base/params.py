"""The parameters of a layer: what its message says, and the dataclass fields that are filled from it."""

from __future__ import annotations

import dataclasses
import struct
from dataclasses import dataclass, field
from typing import Any

from caffe2py.layers.base.words import Misfit, Shape, float32
from caffe2py.proto.schema import LAYER, field_default
from caffe2py.proto.text.prototxt import Unknown
from caffe2py.proto.text.values import Word


@dataclass(frozen=True)
class Params:
    """The parameters one layer was given: its message, the fields that the schema does not know, its stored blobs."""

    message: Any
    unknown: tuple[Unknown, ...] = ()
    blobs: tuple[Shape, ...] = ()  # the shapes of what the weights file holds for it
    asked: set[str] = field(default_factory=set, compare=False)  # the paths that the layer has looked at

    def unread(self) -> tuple[Unknown, ...]:
        """The fields that the schema does not know, and that the layer has not looked at; of an empty block, into."""

        def looked(u: Unknown) -> bool:
            return u.path in self.asked or (u.value is None and any(a.startswith(f"{u.path}.") for a in self.asked))

        return tuple(u for u in self.unknown if not looked(u))

    def has(self, path: str) -> bool:
        """Is the field set? A repeated field is set when it has an element."""
        values = self._walk(path)
        return bool(values)

    def mentions(self, path: str) -> bool:
        """Is the field set, or anything in it?"""
        self.asked.add(path)
        return bool(self._own(path)) or any(u.path == path or u.path.startswith(f"{path}.") for u in self.unknown)

    def get(self, path: str, default: Any = None) -> Any:
        """The value of a singular field: the one given, else the schema's default, else `default`."""
        values = self._walk(path)
        if len(values) > 1 and is_single(path):
            raise Misfit(f"{path} is given {len(values)} times; want it once")
        if values:
            return values[-1]
        return default if default is not None else schema_default(path)

    def all(self, path: str) -> tuple[Any, ...]:
        """Every value of a repeated field, in order."""
        return tuple(self._walk(path))

    def _walk(self, path: str) -> list[Any]:
        """The values that the message has, then those that only a fork's schema allows: another word, more of them."""
        self.asked.add(path)
        own = self._own(path)
        return own + [_shortest(u.value) for u in self.unknown if u.path == path] if self.unknown else own

    def _own(self, path: str) -> list[Any]:
        message = self.message
        *parents, last = path.split(".")
        for parent in parents:
            if parent not in message.DESCRIPTOR.fields_by_name or not message.HasField(parent):
                return []
            message = getattr(message, parent)
        known = message.DESCRIPTOR.fields_by_name.get(last)
        if known is None:
            return []
        if known.is_repeated:
            values = list(getattr(message, last))
        else:
            values = [getattr(message, last)] if message.HasField(last) else []
        if known.enum_type is not None:
            values = [known.enum_type.values_by_number[v].name for v in values]
        return [_shortest(v) for v in values]


def is_single(path: str) -> bool:
    """Does Caffe's schema have this field, and only once in a layer?"""
    message: Any = LAYER
    repeated = True
    for name in path.split("."):
        field = message.fields_by_name.get(name) if message is not None else None
        if field is None:
            return False
        message, repeated = field.message_type, field.is_repeated
    return not repeated


def schema_default(path: str) -> Any:
    """The schema's default of a field, None for a field that the schema does not know."""
    message: Any = LAYER
    *parents, last = path.split(".")
    for parent in parents:
        field = message.fields_by_name.get(parent)
        if field is None:
            return None
        message = field.message_type
    if last not in message.fields_by_name:
        return None
    return _shortest(field_default(path))


def _shortest(value: Any) -> Any:
    """Of a float the shortest decimal that means the same float32: 0.1 stays 0.1 in what is emitted, 1e39 is inf."""
    if not isinstance(value, float):
        return value
    value = float32(value)
    for digits in range(6, 10):
        text = f"{value:.{digits}g}"
        if struct.pack("<f", float(text)) == struct.pack("<f", value):
            return float(text)
    return value


def param(path: str, default: Any = None) -> Any:
    """A dataclass field that is filled from the layer's message at `path`.

    Its default is the schema's, so that each default stands once; `default` is for fields of custom
    layers, which the schema does not know. A repeated field becomes a tuple.
    """
    value = schema_default(path)
    return dataclasses.field(default=default if value is None else value, metadata={"path": path})


def optional(path: str) -> Any:
    """Like `param`, but None where the field is not set: for fields whose presence alone means something."""
    return dataclasses.field(default=None, metadata={"path": path, "optional": True})


def top_count() -> Any:
    """A dataclass field that holds how many tops the layer names, for types whose tops are optional; at least 1."""
    return dataclasses.field(default=1, metadata={"tops": True, "unsaid": True})


def unsaid(default: Any) -> Any:
    """A dataclass field that a layer works out for itself, and that no summary tells."""
    return dataclasses.field(default=default, metadata={"unsaid": True})


def read_fields(cls: type, params: Params) -> dict[str, Any]:
    """The dataclass fields of `cls` that name a path or count the tops, read from a layer's parameters."""
    values: dict[str, Any] = {}
    for f in dataclasses.fields(cls):
        path = f.metadata.get("path")
        if f.metadata.get("tops"):
            values[f.name] = max(len(params.message.top), 1)
        if path is None:
            continue
        if isinstance(f.default, tuple):
            kind = _ELEMENTS.get(str(f.type), object)
            values[f.name] = tuple(_like(kind, value, path) for value in params.all(path)) or f.default
        elif params.has(path) or not f.metadata.get("optional"):
            kind = object if f.default is None else type(f.default)
            values[f.name] = _like(kind, params.get(path, f.default), path)
    return values


def _like(kind: type, value: Any, path: str) -> Any:
    """The value of a custom layer's field as its type: a float may be written 1, a bool 0 or 1."""
    if value is None or isinstance(value, kind):
        return value
    if kind is float and (type(value) is int or (isinstance(value, Word) and value.lstrip("-").lower() in INFINITE)):
        return _shortest(float(value))
    if kind is bool and type(value) is int and value in (0, 1):
        return bool(value)
    raise Misfit(f"{path} is {value!r}; want {_KINDS.get(kind, kind.__name__)}")


INFINITE = ("inf", "infinity", "nan")  # as prototxts write numbers that are none
_ELEMENTS = {f"tuple[{kind.__name__}, ...]": kind for kind in (float, int, str)}
_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
