"""Which Caffe must read what is written: what each of them can say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf.message import Message

from caffe2py.errors import CaffeError
from caffe2py.frontends.caffe.history import LAST, RELEASE, SINCE, V1, since
from caffe2py.proto import forks
from caffe2py.proto.forks import OWN
from caffe2py.proto.schema import block_of, is_own_type
from caffe2py.proto.text.prototxt import DIMS, SHAPES, TODAY, Format

RELEASES = ("bvlc", "bvlc-2017", "bvlc-2016", "bvlc-2015", "bvlc-2014")
VOLUMES = frozenset({"c3d"})  # whose blobs have five sizes, in a format of its own year, which is not written
AXPY = "Axpy"  # the SENet release's own layer, in no schema since it has no parameters; only who asks for it gets it


@dataclass(frozen=True)
class Target:
    """A Caffe by its name: a release of BVLC's ("bvlc" is the last of the master branch), or a fork.

    `dialect` is the fork whose own layers may be used too; without one, a fork's Caffe gets Caffe's layers only.
    """

    name: str = OWN
    dialect: str | None = None

    @property
    def last(self) -> int:
        """The number of the last block of Caffe's own that it has; see `history`."""
        return LAST.get(self.name, RELEASE)

    def has(self, what: str) -> bool:
        """Does it know a layer type ("Clip"), or a field below a layer ("pooling_param.round_mode")?"""
        if what[0].isupper() and what != AXPY and not is_own_type(what):
            return self.dialect is not None and what in forks.dialect(self.dialect).types
        if since(what) <= self.last:
            return True
        if self.name in RELEASES:
            return False
        block = block_of(what) if what[0].isupper() else what.partition(".")[0]
        path = what if what in SINCE else block
        return path is not None and forks.dialect(self.name).adds(path)  # a fork that had it early, or its own way

    def lacks(self, layer: Any, fork: Iterable[str] = ()) -> list[str]:
        """What the target has not of a layer: its type, or fields of it or of a fork's block."""
        if not self.has(layer.type):
            return [layer.type]
        lost = [path for path in _paths(layer) if not self.has(path)]
        if self.name not in RELEASES:
            schema = forks.dialect(self.name)
            lost += [p for p in (*_paths(layer), *fork) if not _takes(schema, p) and p not in lost]
        return lost

    @property
    def format(self) -> Format:
        """How a net is written that it can read."""
        inputs = TODAY.inputs if self.has("Input") else SHAPES if self.has("input_shape") else DIMS
        return Format(v1=self.last == V1, inputs=inputs)

    @property
    def dialects(self) -> tuple[str, ...]:
        return (self.dialect,) if self.dialect else (OWN,)


def _takes(schema: forks.Dialect, path: str) -> bool:
    """Has a schema a field, for a second value too where the path ends in [1]?"""
    field: Any = schema.layer_field(path)
    return field is not None and (field.is_repeated or not path.endswith("[1]"))


def _paths(message: Message, before: str = "") -> Iterator[str]:
    """Every field that is set, by its path; a second value of one has [1] behind it."""
    for field, value in message.ListFields():
        yield f"{before}{field.name}"
        if field.message_type is not None:
            for inner in value if field.is_repeated else [value]:
                yield from _paths(inner, f"{before}{field.name}.")
        elif field.is_repeated and len(value) > 1:
            yield f"{before}{field.name}[1]"


@cache
def targets() -> tuple[str, ...]:
    """The names that `target` takes."""
    return (*RELEASES, *(name for name in forks.names()[1:] if name not in VOLUMES))


def target(name: Target | str | None = None, dialect: str | None = None) -> Target:
    """The target of that name; a dialect's own Caffe where only that is given. CaffeError: there is none."""
    if isinstance(name, Target):
        return name
    if dialect is not None:
        forks.dialect(dialect)
    found = name or dialect or OWN
    if found in VOLUMES:
        raise CaffeError(f'the target "{found}" has blobs of five sizes, in a format of its own that is not written')
    if found not in targets():
        raise CaffeError(f'there is no target "{found}"; want one of {", ".join(targets())}')
    if dialect not in (None, OWN) and found != dialect:
        raise CaffeError(f'the target "{found}" does not read layers of the dialect "{dialect}"')
    return Target(found, None if dialect == OWN else dialect)
