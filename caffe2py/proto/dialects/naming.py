"""Whose fields a prototxt has: the forks that know what Caffe's own schema does not."""

from __future__ import annotations

from collections.abc import Iterable

from caffe2py.proto.dialects.rules import is_own_type
from caffe2py.proto.forks import OWN, dialect, fields_of, names
from caffe2py.proto.text.prototxt import LayerText, Unknown


def dialects_of(layers: Iterable[LayerText], top: Iterable[Unknown] = ()) -> tuple[str, ...]:
    """The dialects that a net's fields and layer types are from: the fewest that know the most of them.

    Caffe's own ("bvlc") where no fork knows anything that Caffe does not.
    """
    wanted: dict[tuple[str, str], None] = {}
    for layer in layers:
        if not is_own_type(layer.message.type):
            wanted[("", layer.message.type)] = None
        for u in layer.unknown:
            wanted[(layer.message.DESCRIPTOR.name, u.path)] = None
    wanted.update({("NetParameter", u.path): None for u in top})
    if not wanted:
        return (OWN,)
    knowers = {key: found for key in wanted if (found := _knowers(*key))}
    chosen: list[str] = []
    while knowers:
        counts = {name: sum(name in found for found in knowers.values()) for name in names()}
        best = max(counts, key=lambda name: (counts[name], -dialect(name).size))
        chosen.append(best)
        knowers = {key: found for key, found in knowers.items() if best not in found}
    return tuple(chosen) or (OWN,)


def _knowers(message: str, path: str) -> frozenset[str]:
    """The forks that know a layer type (`message` is "" then), or each step of a path below a message."""
    if not message:
        return frozenset(name for name in names() if path in dialect(name).types)
    known = frozenset(names())
    messages = {message}
    for step in path.split("."):
        found = [each for m in messages for each in fields_of(m, step.partition("[")[0])]
        who = {name for name, _ in found}
        known &= frozenset(name for name in names() if OWN in who or not who.isdisjoint(dialect(name).ancestors))
        messages = {field.message_type.name for _, field in found if field.message_type is not None}
    return known
