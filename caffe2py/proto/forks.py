"""The schemas of Caffe's forks: Caffe's own, and what each fork adds to it or numbers otherwise.

``forks.desc`` is what ``protos/forks/`` compile to (``tools/compile_protos.py``). A fork's file names its
differences only: a message that Caffe has too gets the fork's fields, in place of those with their number or their
name. A file that a fork imports publicly is the fork that it grew from; one of ``parts/`` holds messages that several
forks have in common. The enum ``Layers`` lists the layer types that a fork adds. Nothing here is loaded before a net
holds something that Caffe's own schema does not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from caffe2py.errors import CaffeError
from caffe2py.proto.names import v1_type_name
from caffe2py.proto.schema import PACKAGE, file_descriptor

OWN = "bvlc"  # Caffe's own schema, as a dialect among the others
LAYERS = "Layers"
PARTS = "parts."  # the packages of what forks have in common
PLAIN, RAW, PACKED, C3D = "", "raw", "packed", "c3d"  # the kinds of blobs: Caffe's own, and those of three forks


class Dialect:
    """One schema under which nets were written: Caffe's own, or a fork's."""

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def _chain(self) -> tuple[descriptor_pb2.FileDescriptorProto, ...]:
        """The files of the fork, those that it grew from first."""
        if self.name == OWN:
            return ()
        file = _files()[self.name]
        grown = [file.dependency[i] for i in file.public_dependency]
        before = [part for path in grown for part in _dialect(Path(path).stem)._chain]
        return (*before, *_parts_of(file), file)

    @cached_property
    def ancestors(self) -> frozenset[str]:
        """The forks that it grew from, and itself."""
        return frozenset((self.name, *(file.package for file in self._chain if file.package in _files())))

    @cached_property
    def types(self) -> frozenset[str]:
        """The layer types that the fork adds to Caffe's, in today's format or in that of 2014."""
        today = {v.name for f in self._chain for e in f.enum_type if e.name == LAYERS for v in e.value}
        old = (m for f in self._chain for m in f.message_type if m.name == "V1LayerParameter")
        return frozenset(today | {v1_type_name(v.name) for m in old for e in m.enum_type for v in e.value})

    @cached_property
    def _own_fields(self) -> frozenset[tuple[str, str]]:
        return frozenset((m.name, field.name) for f in self._chain for m in f.message_type for field in m.field)

    def adds(self, path: str) -> bool:
        """Does the fork's own file say a field below a layer, whether Caffe has it too or not?"""
        field: Any = self.layer_field(path)
        return field is not None and (field.containing_type.name, field.name) in self._own_fields

    @cached_property
    def rank(self) -> tuple[int, int]:
        """Where several dialects explain a file, the least is named: one that others grew from, else a small one."""
        heirs = sum(self.name in other.ancestors for other in dialects()) if self.name != OWN else len(names())
        return -heirs, sum(len(m.field) for f in self._chain for m in f.message_type)

    @cached_property
    def _pool(self) -> descriptor_pool.DescriptorPool:
        merged = file_descriptor()
        if self.name != OWN:
            _remove_newer(merged)
        for file in self._chain:
            _merge(merged, file)
        pool = descriptor_pool.DescriptorPool()
        pool.Add(merged)
        return pool

    def message(self, name: str) -> Descriptor | None:
        """A message of the schema: ``dialect("ssd").message("PriorBoxParameter")``; None where it has none."""
        try:
            return self._pool.FindMessageTypeByName(f"{PACKAGE}.{name}")
        except KeyError:
            return None

    def message_class(self, name: str) -> type[Message]:
        """The class of a message of this schema. KeyError: there is none."""
        return message_factory.GetMessageClass(self._pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))

    def layer_field(self, path: str) -> FieldDescriptor | None:
        """A field below a layer by its path, None where the schema has none."""
        message: Any = self.message("LayerParameter")
        field = None
        for step in path.split("."):
            field = message.fields_by_name.get(step.partition("[")[0]) if message is not None else None
            if field is None:
                return None
            message = field.message_type
        return field


def dialect(name: str) -> Dialect:
    """A dialect by its name. CaffeError: there is none of that name."""
    if name not in names():
        raise CaffeError(f'there is no dialect "{name}"; want one of {", ".join(names())}')
    return _dialect(name)


@cache
def _dialect(name: str) -> Dialect:
    return Dialect(name)


@cache
def names() -> tuple[str, ...]:
    """The names of all dialects, Caffe's own first."""
    return (OWN, *sorted(_files()))


def dialects() -> Iterator[Dialect]:
    """All dialects, Caffe's own first."""
    return map(_dialect, names())


@cache
def fields_of(message: str, field: str) -> tuple[tuple[str, FieldDescriptor], ...]:
    """That field in each schema whose own file says something about it, with the schema's name; Caffe's own first.

    A fork that grew from another is not asked for what the other says.
    """
    own = _dialect(OWN).message(message)
    known = own.fields_by_name.get(field) if own is not None else None
    forks = _index().get((message, field), ())
    found = [] if known is None else [(OWN, known)]
    if known is not None and known.enum_type is not None:
        forks = (*forks, *_index().get((message, known.enum_type.name), ()))
    for name in forks:
        theirs: Any = _dialect(name).message(message)
        found.append((name, theirs.fields_by_name[field]))
    return tuple(found)


@cache
def _index() -> dict[tuple[str, str], tuple[str, ...]]:
    """The forks whose own file has a field or an enum, by the names of its message and of itself."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for fork, file in _files().items():
        for message in (m for part in (*_parts_of(file), file) for m in part.message_type):
            each: Any
            for each in (*message.field, *message.enum_type):
                key = (message.name, each.name)
                found[key] = tuple(dict.fromkeys((*found.get(key, ()), fork)))
    return found


@cache
def _all_files() -> dict[str, descriptor_pb2.FileDescriptorProto]:
    data = Path(__file__).with_name("forks.desc").read_bytes()
    return {file.name: file for file in descriptor_pb2.FileDescriptorSet.FromString(data).file}


@cache
def _files() -> dict[str, descriptor_pb2.FileDescriptorProto]:
    """The files of the forks, by their names."""
    return {file.package: file for file in _all_files().values() if not file.package.startswith(PARTS)}


def _parts_of(file: descriptor_pb2.FileDescriptorProto) -> list[descriptor_pb2.FileDescriptorProto]:
    files = (_all_files().get(path) for path in file.dependency)
    return [part for part in files if part is not None and part.package.startswith(PARTS)]


def _remove_newer(own: descriptor_pb2.FileDescriptorProto) -> None:
    """Take out what Caffe got in 2018, when the forks had long left: the round_mode of poolings."""
    (pooling,) = (m for m in own.message_type if m.name == "PoolingParameter")
    for parts, name in ((pooling.field, "round_mode"), (pooling.enum_type, "RoundMode")):
        del parts[[part.name for part in parts].index(name)]


def _merge(own: descriptor_pb2.FileDescriptorProto, fork: descriptor_pb2.FileDescriptorProto) -> None:
    """Add a fork's messages and enums to a schema."""
    messages = {m.name: m for m in own.message_type}
    for message in fork.message_type:
        if message.name not in messages:
            messages[message.name] = own.message_type.add(name=message.name)
        _merge_message(messages[message.name], message)
    for enum in fork.enum_type:
        if enum.name != LAYERS and enum.name not in {e.name for e in own.enum_type}:
            own.enum_type.add().CopyFrom(enum)


def _merge_message(own: descriptor_pb2.DescriptorProto, fork: descriptor_pb2.DescriptorProto) -> None:
    for field in _replace(own.field, fork.field):
        if field.type_name:
            words = field.type_name.split(".")  # ".ssd.ResizeParameter", ".parts.roi.ROIPoolingParameter" are ours now
            field.type_name = ".".join(("", PACKAGE, *words[3 if f"{words[1]}." == PARTS else 2 :]))
    enums = {e.name: e for e in own.enum_type}
    for enum in fork.enum_type:
        _replace((enums.get(enum.name) or own.enum_type.add(name=enum.name)).value, enum.value)


def _replace(own: Any, new: Any) -> Any:
    """Add fields or enum values, in place of those with one of their numbers or names. Returns what was added."""
    gone = {each.number for each in new} | {each.name for each in new}
    for i in reversed(range(len(own))):
        if own[i].number in gone or own[i].name in gone:
            del own[i]
    own.extend(new)
    return own[len(own) - len(new) :]
