"""The message classes and enum values of Caffe's schema, as the module that protoc makes would have them."""

from __future__ import annotations

from typing import Any

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from caffe2py.proto.schema import LAYER, message_class

DESCRIPTOR = LAYER.file


def _names() -> dict[str, Any]:
    """Each message by its name; each top-level enum's values, and its number type's wrapper, by theirs."""
    found: dict[str, Any] = {name: message_class(name) for name in DESCRIPTOR.message_types_by_name}
    for enum in DESCRIPTOR.enum_types_by_name.values():
        found |= {value.name: value.number for value in enum.values} | {enum.name: EnumTypeWrapper(enum)}
    return found


globals().update(_names())
TRAIN: int
TEST: int


def __getattr__(name: str) -> Any:
    raise AttributeError(f"Caffe's schema has no {name}")
