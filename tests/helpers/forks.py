"""Nets as a fork's own program would save them: protobuf writes them, by the fork's schema."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from google.protobuf import text_format

from caffe2py.proto import forks
from caffe2py.proto.text.prototxt import NetText
from caffe2py.proto.text.values import Raw, Word

Values = list[tuple[str, object]]


def saved(dialect: str, net: str) -> bytes:
    """A net, written as text, as the fork saves it. Blobs are in the text too, if it has any."""
    message: Any = forks.dialect(dialect).message_class("NetParameter")()
    text_format.Parse(net, message)
    return message.SerializeToString()


def values_of(message: Any, prefix: str = "") -> Values:
    """Every value below a message with its path, enums by their words."""
    found: Values = []
    for field, value in message.ListFields():
        for i, each in enumerate(value if field.is_repeated else [value]):
            path = f"{prefix}{field.name}"
            if field.message_type is not None:
                inner = values_of(each, f"{path}[{i}]." if i else f"{path}.")
                found += inner or [(f"{path}[{i}]" if i else path, None)]
            elif field.enum_type is not None:
                found.append((path, field.enum_type.values_by_number[each].name))
            else:
                found.append((path, each))
    return found


def said(net: NetText) -> list[Values]:
    """What each layer of a net says, in Caffe's own fields and in the forks', in no order but that of lists."""
    layers = []
    for layer in net.layers:
        own = values_of(layer.message)
        theirs = [(u.path, str(u.value) if isinstance(u.value, Word) else u.value) for u in layer.unknown]
        layers.append(sorted(own + theirs, key=lambda pair: pair[0]))
    return layers


def raw_of(net: NetText) -> list[str]:
    """The paths of what nobody explained."""
    return [u.path for layer in net.layers for u in layer.unknown if isinstance(u.value, Raw)]


def fill(message: Any, seed: random.Random, depth: int = 0) -> None:
    """Give every field below a message some value of its type, none of them its default."""
    for field in message.DESCRIPTOR.fields:
        for _ in range(2 if field.is_repeated else 1):
            if field.message_type is not None:
                if depth < 4:
                    inner = getattr(message, field.name)
                    inner = inner.add() if field.is_repeated else inner
                    inner.SetInParent()
                    fill(inner, seed, depth + 1)
                continue
            value = _value(field, seed)
            if field.is_repeated:
                getattr(message, field.name).append(value)
            else:
                setattr(message, field.name, value)


def _value(field: Any, seed: random.Random) -> Any:
    if field.enum_type is not None:
        values = [v.number for v in field.enum_type.values]
        return next((v for v in values if v != field.default_value), values[0])
    if field.type == field.TYPE_BOOL:
        return not field.default_value
    if field.cpp_type == field.CPPTYPE_STRING:
        return "word" if field.type == field.TYPE_STRING else b"bytes"
    if field.cpp_type in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
        return seed.choice([0.25, 1.5, 7.75])
    return seed.randint(2, 40)


def own_blocks() -> Iterator[tuple[str, str, str]]:
    """Each fork's own parameters of a layer: the fork, a type of layer that reads the block, the block."""
    from caffe2py.proto.dialects.rules import READS, reads

    for fork in map(forks.dialect, forks.names()[1:]):
        layer: Any = fork.message("LayerParameter")
        for field in layer.fields:
            origins = {name for name, _ in forks.fields_of("LayerParameter", field.name)}
            if field.message_type is None or fork.name not in origins or not field.message_type.fields:
                continue
            own = sorted(t for t in fork.types if reads(t, field.name))
            others = ("BatchNorm", "Bias", "LSTM", "Reshape", "Scale", "Tile")
            types = own or [t for t in (*others, *READS) if reads(t, field.name)]
            if types:
                yield fork.name, types[0], field.name
