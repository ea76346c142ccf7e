"""Which Caffe must read what is written: what each of them can say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from google.protobuf.message import Message

from caffe2py.errors import CaffeError
from caffe2py.proto import forks
from caffe2py.proto.forks import OWN
from caffe2py.proto.schema import is_own_type

# What Caffe's master got in 2018, after the release 1.0 of April 2017; the forks had left long before.
SINCE_2018 = frozenset({"Clip", "Swish", "clip_param", "swish_param", "pooling_param.round_mode"})
RELEASE = "bvlc-2017"
OF_2014 = frozenset({"c3d", "deconvnet"})  # they read the format of that year only, which is not written
AXPY = "Axpy"  # the SENet release's own layer, in no schema since it has no parameters; only who asks for it gets it


@dataclass(frozen=True)
class Target:
    """A Caffe by its name: "bvlc" (the last of the master branch), "bvlc-2017" (the release 1.0), or a fork.

    `dialect` is the fork whose own layers may be used too; without one, a fork's Caffe gets Caffe's layers only.
    """

    name: str = OWN
    dialect: str | None = None

    def has(self, what: str) -> bool:
        """Does it know a layer type ("Clip"), or a field below a layer ("pooling_param.round_mode")?"""
        if self.name != OWN and what in SINCE_2018:
            return False
        fork = what[0].isupper() and what != AXPY and not is_own_type(what)
        if fork:
            return self.dialect is not None and what in forks.dialect(self.dialect).types
        return True

    def lacks(self, layer: Message, fork: Iterable[str]) -> str | None:
        """A field of a layer, or of a fork's block, that the target's schema has not; None where it has all."""
        if self.name in (OWN, RELEASE):
            return None
        schema = forks.dialect(self.name)
        return next((p for p in (*_paths(layer), *fork) if schema.layer_field(p) is None), None)

    @property
    def dialects(self) -> tuple[str, ...]:
        return (self.dialect,) if self.dialect else (OWN,)


def _paths(message: Message, before: str = "") -> Iterator[str]:
    """Every field that is set, by its path."""
    for field, value in message.ListFields():
        yield f"{before}{field.name}"
        if field.message_type is not None:
            for inner in value if field.is_repeated else [value]:
                yield from _paths(inner, f"{before}{field.name}.")


@cache
def targets() -> tuple[str, ...]:
    """The names that `target` takes."""
    return (OWN, RELEASE, *(name for name in forks.names()[1:] if name not in OF_2014))


def target(name: str | None = None, dialect: str | None = None) -> Target:
    """The target of that name; a dialect's own Caffe where only that is given. CaffeError: there is none."""
    if dialect is not None:
        forks.dialect(dialect)
    found = name or dialect or OWN
    if found in OF_2014:
        raise CaffeError(f'the target "{found}" reads the format of 2014 only ("layers" of V1), which is not written')
    if found not in targets():
        raise CaffeError(f'there is no target "{found}"; want one of {", ".join(targets())}')
    if dialect not in (None, OWN) and found != dialect:
        raise CaffeError(f'the target "{found}" does not read layers of the dialect "{dialect}"')
    return Target(found, None if dialect == OWN else dialect)
