"""Whose fields a prototxt has: the forks that know what Caffe's own schema does not."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from caffe2py.proto.forks import OWN, dialect, fields_of, names
from caffe2py.proto.schema import is_own_type
from caffe2py.proto.text.prototxt import Bound, Unknown
from caffe2py.proto.text.values import Word


def dialects_of(layers: Iterable[Bound], top: Iterable[Unknown] = ()) -> tuple[str, ...]:
    """The dialects that a net's fields and layer types are from: the fewest that know the most of them.

    Caffe's own ("bvlc") where no fork knows anything that Caffe does not.
    """
    wanted: dict[frozenset[str], None] = {}
    for layer in layers:
        if not is_own_type(layer.message.type):
            wanted[_have_type(layer.message.type)] = None
        for u in layer.unknown:
            wanted[_know(layer.message.DESCRIPTOR.name, u.path, _word(u))] = None
    wanted.update({_know("NetParameter", u.path, _word(u)): None for u in top})
    rest = [forks for forks in wanted if forks]
    chosen: list[str] = []
    while rest:
        counts = {name: sum(name in forks for forks in rest) for name in names()}
        chosen.append(min(counts, key=lambda name: (-counts[name], dialect(name).rank)))
        rest = [forks for forks in rest if chosen[-1] not in forks]
    return tuple(chosen) or (OWN,)


def is_a_forks(message: Any, unknown: Unknown) -> bool:
    """Does a fork know this field below a message, so that it is no misspelling?"""
    return bool(_know(message.DESCRIPTOR.name, unknown.path, _word(unknown)))


def strange_part(message: Any, path: str) -> str:
    """A path below a message as far as the first name on it that nobody knows; the whole of it where forks know all."""
    steps = [step.partition("[")[0] for step in path.split(".")]
    for i in range(len(steps)):
        if not _know(message.DESCRIPTOR.name, ".".join(steps[: i + 1]), ""):
            return ".".join(steps[: i + 1])
    return ".".join(steps)


def _word(unknown: Unknown) -> str:
    return unknown.value if isinstance(unknown.value, Word) else ""


@cache
def _have_type(type_: str) -> frozenset[str]:
    return frozenset(name for name in names() if type_ in dialect(name).types)


@cache
def _know(message: str, path: str, word: str) -> frozenset[str]:
    """The dialects that know each step of a path below a message, and the word of an enum at its end."""
    known = frozenset(names())
    messages = {message}
    found = []
    for step in path.split("."):
        found = [each for m in messages for each in fields_of(m, step.partition("[")[0])]
        known &= _heirs({name for name, _ in found})
        messages = {field.message_type.name for _, field in found if field.message_type is not None}
    enums = [(name, field.enum_type) for name, field in found if field.enum_type is not None]
    if word and enums:
        known &= _heirs({name for name, enum in enums if word in enum.values_by_name})
    return known


def _heirs(origins: set[str]) -> frozenset[str]:
    """The dialects that grew from one of these, as all did from Caffe's own."""
    return frozenset(name for name in names() if OWN in origins or not origins.isdisjoint(dialect(name).ancestors))
