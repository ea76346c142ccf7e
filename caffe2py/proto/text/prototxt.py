"""Prototxt to message: the tree of fields against the schema. What the schema does not know is kept, with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor

from caffe2py.errors import Place, PrototxtError
from caffe2py.proto.forks import OWN, fields_of
from caffe2py.proto.names import V1_TYPES
from caffe2py.proto.schema import message_class
from caffe2py.proto.text.tokens import BLOCK, WORD, Field, Source, decode_text, read_fields
from caffe2py.proto.text.values import Convert, Misfit, Word, converter, plain_value, said


@dataclass(frozen=True)
class Unknown:
    """A value that Caffe's own schema has no field for: a fork's parameter, or a custom layer's own.

    `path` is relative to the layer (or the net): ``my_param.alpha``. The second block of a name is
    ``my_param[1].alpha``; a field given several times is as many Unknowns of one path. `value` is an int, a float, a
    bool (the words true and false), else a str: quoted text, or a `Word` such as an enum's. None: an empty block. What
    a fork's schema knows has the type that it has there: a ``min_size: 60`` is 60.0, a ``code_type: 2`` its word.
    """

    path: str
    value: object
    place: Place


@dataclass(frozen=True)
class Bound:
    """What a text, or a block of it, says as a message."""

    message: Any
    place: Place
    unknown: tuple[Unknown, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict, compare=False)


DIMS, SHAPES = "input_dim", "input_shape"  # fields of the net for what Input layers say today


class Format(NamedTuple):
    """How a net is written: with V1 layers, and with the sizes of its inputs in which field of the net (or layers).

    With `input_dim` blobs of weights have four sizes too.
    """

    v1: bool = False
    inputs: str = "Input"


TODAY = Format()
LayerText = Bound  # one layer: its message is a LayerParameter, its place where its `layer {` stands


@dataclass(frozen=True)
class NetText:
    """A net in today's format. `message` holds what is said about the net as a whole, without its layers.

    `notes` tell what the reader did or left aside: upgrades, fields that the schema does not know. `text` is the
    original text, "" for a net out of a caffemodel. `unknown` are fields of the net itself; a layer has its own.
    `format` is the one in which the net is to be written; whatever it is, the layers here have today's.
    `dialects` are the schemas that know what the net says: Caffe's own ("bvlc"), or a fork's. `head` are lines of
    comment to stand before it where it is written. `left_out` are layers of the file that are not among the layers: an
    Input for what has no size, and those that rules leave out.
    """

    name: str
    layers: tuple[LayerText, ...]
    message: Any
    notes: tuple[str, ...] = ()
    file: str = ""
    text: str = ""
    unknown: tuple[Unknown, ...] = ()
    dialects: tuple[str, ...] = (OWN,)
    head: tuple[str, ...] = ()
    left_out: tuple[LayerText, ...] = ()
    format: Format = TODAY


class Places(Mapping[str, Place]):
    """Where each field of a block stands, by its path: ``pooling_param.kernel_size``, the second one ``dim[1]``."""

    def __init__(self, fields: list[Field], source: Source) -> None:
        self._fields = fields
        self._source = source

    @cached_property
    def _offsets(self) -> dict[str, int]:
        offsets: dict[str, int] = {}
        todo = [("", self._fields)]
        while todo:
            prefix, fields = todo.pop()
            for path, f in with_paths(prefix, fields):
                offsets[path] = f.at
                todo.append((f"{path}.", f.fields))
        return offsets

    def __getitem__(self, path: str) -> Place:
        return self._source.place(self._offsets[path])

    def __iter__(self) -> Iterator[str]:
        return iter(self._offsets)

    def __len__(self) -> int:
        return len(self._offsets)


def moved(places: Mapping[str, Place], moves: Mapping[str, str]) -> Mapping[str, Place]:
    """The places after fields were moved: `moves` tells the new path of an old one."""
    found = {new: places[old] for old, new in moves.items() if old in places}
    return {**places, **found} if found else places


def with_paths(prefix: str, fields: list[Field]) -> Iterator[tuple[str, Field]]:
    """Each field with its path: the name, and behind the first of that name its index, as in ``dim[1]``."""
    seen: dict[str, int] = {}
    for f in fields:
        n = seen.get(f.name, 0)
        seen[f.name] = n + 1
        yield (f"{prefix}{f.name}[{n}]" if n else f"{prefix}{f.name}"), f


def parse_text(text: str | bytes, file: str = "<text>", message: str = "NetParameter") -> Bound:
    """Read a text as a message of the schema: ``parse_text(text, "solver.prototxt", "SolverParameter").message``.

    Raises PrototxtError with file, line and column. Fields that the schema does not know come back in `unknown`.
    """
    source = Source(file, decode_text(text))
    fields = read_fields(source)
    return bind(fields, message_class(message)(), source, Place(file))


def bind(fields: list[Field], message: Any, source: Source, place: Place) -> Bound:
    """Fill a message from fields. Raises PrototxtError."""
    unknown: list[Unknown] = []
    _fill(message, fields, source, place, "", unknown)
    return Bound(message, place, tuple(unknown), Places(fields, source))


@dataclass(frozen=True)
class _Slot:
    """How a field of the schema is filled. `convert` turns what is written into its value; None: it is a message."""

    repeated: bool
    convert: Convert | None


def _fill(message: Any, fields: list[Field], source: Source, place: Place, prefix: str, unknown: list[Unknown]) -> None:
    slots = _slots(message.DESCRIPTOR)
    first: dict[str, Field] = {}
    strangers = []
    for f in fields:
        name = f.name
        slot = slots.get(name)
        if slot is None:
            strangers.append(f)
            continue
        if not slot.repeated:
            if name in first or f.listed:
                if slot.convert is None or not _is_list_of_a_fork(message.DESCRIPTOR.name, f):
                    raise _not_repeated(f, first.get(name), source)
                strangers.append(f)
                continue
            first[name] = f
        if slot.convert is not None:
            try:
                value = slot.convert(f)
            except Misfit as error:
                if _forks_value({message.DESCRIPTOR.name}, f) is not None or _is_old_type(message.DESCRIPTOR.name, f):
                    strangers.append(f)
                    continue
                raise PrototxtError(str(error), source.place(f.value_at)) from None
            if slot.repeated:
                getattr(message, name).append(value)
            else:
                setattr(message, name, value)
            continue
        if f.kind != BLOCK:
            raise PrototxtError(f"{name} is a block, not {said(f)}; want {name} {{ ... }}", source.place(f.value_at))
        if slot.repeated:
            blocks = getattr(message, name)
            n = len(blocks)
            _fill(
                blocks.add(), f.fields, source, source.place(f.at), f"{prefix}{name}{f'[{n}]' if n else ''}.", unknown
            )
        else:
            inner = getattr(message, name)
            inner.SetInParent()
            _fill(inner, f.fields, source, source.place(f.at), f"{prefix}{name}.", unknown)
    if strangers:
        _keep(strangers, source, prefix, unknown, {message.DESCRIPTOR.name})
    for missing in _required(message.DESCRIPTOR):
        if missing not in first:
            raise PrototxtError(f"{message.DESCRIPTOR.name} has no {missing}; want it set", place)


def _not_repeated(f: Field, first: Field | None, source: Source) -> PrototxtError:
    if first is None:
        return PrototxtError(f"{f.name} holds a single value; want no [ ] around it", source.place(f.value_at))
    line = source.place(first.at).line
    return PrototxtError(f"{f.name} is given twice, first at line {line}; want it once", source.place(f.at))


def _keep(fields: list[Field], source: Source, prefix: str, unknown: list[Unknown], messages: Set[str]) -> None:
    """Add fields that the schema does not know, down to their values. `messages` are what forks call the block."""
    for path, f in with_paths(prefix, fields):
        if f.kind == BLOCK and f.fields:
            found = [known.message_type for m in messages for _, known in fields_of(m, f.name)]
            inside = {message.name for message in found if message is not None}
            _keep(f.fields, source, f"{path}.", unknown, inside)
        else:
            place = source.place(f.at)
            try:
                value = None if f.kind == BLOCK else _forks_value(messages, f)
                if value is None and f.kind != BLOCK:
                    value = plain_value(f)
            except Misfit as error:
                raise PrototxtError(str(error), source.place(f.value_at)) from None
            unknown.append(Unknown(path if f.kind == BLOCK else f"{prefix}{f.name}", value, place))


def _forks_value(messages: Set[str], f: Field) -> object:
    """What is written as the type that the forks give the field; None where none takes it, or they differ."""
    values = []
    for message in messages:
        for _, known in fields_of(message, f.name):
            convert = converter(known)
            if convert is None:
                continue
            try:
                value = convert(f)
            except Misfit:
                continue
            enum: Any = known.enum_type
            values.append(Word(enum.values_by_number[value].name) if enum is not None else value)
    same = bool(values) and all(type(v) is type(values[0]) and (v == values[0] or v != v) for v in values)
    return values[0] if same else None


def _is_list_of_a_fork(message: str, f: Field) -> bool:
    """Does a fork take several values where Caffe takes one, as V-Net's poolings do?"""
    return any(known.is_repeated for _, known in fields_of(message, f.name))


def _is_old_type(message: str, f: Field) -> bool:
    """Is it the word for a layer type in the format of 2014, of which nobody knows the number?"""
    return message == "V1LayerParameter" and f.name == "type" and f.kind == WORD and f.text in V1_TYPES


@cache
def _slots(descriptor: Descriptor) -> dict[str, _Slot]:
    return {f.name: _Slot(f.is_repeated, converter(f)) for f in descriptor.fields}


@cache
def _required(descriptor: Descriptor) -> tuple[str, ...]:
    return tuple(f.name for f in descriptor.fields if f.is_required)
