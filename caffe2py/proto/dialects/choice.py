"""Which dialect a file is in: every dialect reads all of it, and the one with the least that is strange has it.

Strange is a number that the dialect does not know, a value that does not fit, a block that the layer's type has no use
for, a type that only other forks have, a number of blobs that others have. Where several are least, and differ in what
a layer means, nobody guesses: the file is refused until somebody says which it is. A layer that came from elsewhere, as
forks took layers from each other, is read by whoever makes sense of it, if all who do agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from google.protobuf.descriptor import FieldDescriptor

from caffe2py.errors import CaffemodelError
from caffe2py.proto.dialects.reading import Leaf, Reading, form, read_field
from caffe2py.proto.dialects.rules import (
    COMMON,
    FLAT,
    NEEDS,
    expected,
    has_blobs,
    is_unheeded,
    knows,
    oddities,
    writes,
)
from caffe2py.proto.dialects.subject import Record, Subject
from caffe2py.proto.forks import OWN, Dialect, dialects
from caffe2py.proto.schema import LAYER, V1LayerParameter
from caffe2py.proto.text.values import Raw

# The numbers that all types of layers may have, by what the message of a layer is called.
ALIKE: dict[str, frozenset[int]] = {
    "LayerParameter": frozenset(f.number for f in LAYER.fields if f.number <= COMMON),
    "V1LayerParameter": frozenset(f.number for f in V1LayerParameter.DESCRIPTOR.fields),
}


@dataclass(frozen=True)
class Choice:
    """What a file's layers say: for each subject its type and its values. `names` are the dialects that said it."""

    names: tuple[str, ...]
    words: tuple[str, ...]
    leaves: tuple[tuple[Leaf, ...], ...]
    notes: tuple[str, ...] = ()


@dataclass
class _Reader:
    """One dialect at work on a file."""

    dialect: Dialect
    memo: dict[tuple[object, ...], Reading]  # shared by all dialects: what a form of a message reads in a record
    readings: dict[tuple[object, ...], tuple[list[Reading | None], int]] = field(default_factory=dict)

    def read(self, subject: Subject) -> tuple[list[Reading | None], int]:
        """What each record says, None where the dialect has no such field there, and how strange the layer is."""
        if subject.key not in self.readings:
            self.readings[subject.key] = self._read(subject)
        return self.readings[subject.key]

    def _read(self, subject: Subject) -> tuple[list[Reading | None], int]:
        type_ = subject.type(self.dialect)
        found = [self._record(subject, record, type_) for record in subject.records]
        strange = sum(1 if reading is None else reading.strange for reading in found)
        if subject.message in ALIKE:
            strange += self._oddness(subject, type_, found)
        return found, strange

    def _oddness(self, subject: Subject, type_: str | None, found: Sequence[Reading | None]) -> int:
        """What is strange about a layer as a whole: its type, its blobs, what it lacks."""
        mine = self.dialect.name
        if type_ is None or not knows(mine, type_):
            return 1
        flat = mine in FLAT and type_ in ("Convolution", "Deconvolution") and subject.blobs[:1] not in ((), (4,))
        blocks = {leaf.path.partition(".")[0] for reading in found if reading for leaf in reading.leaves}
        lacking = type_ in NEEDS and NEEDS[type_] not in blocks
        return flat + lacking + (not has_blobs(mine, type_, len(subject.blobs)))

    def _record(self, subject: Subject, record: Record, type_: str | None) -> Reading | None:
        message = self.dialect.message(subject.message)
        assert message is not None
        known = message.fields_by_number.get(record.number)
        if known is None:
            return None
        common = ALIKE.get(subject.message)
        if common is not None and not expected(type_ or "", known, common):
            return None
        key = (_form(known), record)
        if key not in self.memo:
            reading = read_field(record.data, record.item, known, "", {})
            values: dict[str, list[object]] = {}
            for leaf in reading.leaves:
                values.setdefault(leaf.path, []).append(leaf.value)
            self.memo[key] = Reading(reading.leaves, reading.strange + oddities(values))
        return self.memo[key]


def _form(known: FieldDescriptor) -> tuple[object, ...]:
    inner = form(known.message_type) if known.message_type is not None else known.enum_type and known.enum_type.name
    return known.name, known.type, known.is_repeated, inner


def choose(file: str, subjects: Sequence[Subject], kinds: Iterable[str], forced: str | None = None) -> Choice:
    """Read a net by the dialect that it is in, or by the one that is said. `kinds` are those of its blobs.

    Raises CaffemodelError where several dialects are as likely and differ.
    """
    memo: dict[tuple[object, ...], Reading] = {}
    readers = [_Reader(d, memo) for d in dialects() if d.name == forced or writes(d.name, set(kinds))]
    scores = {r.dialect.name: sum(r.read(s)[1] for s in subjects) * 2 + _unlikely(r, subjects) for r in readers}
    best = min(scores.values())
    likely = [r for r in readers if (r.dialect.name == forced if forced else scores[r.dialect.name] == best)]
    likely.sort(key=lambda r: r.dialect.rank)
    binder = _Binder(file, likely, [] if forced else readers)
    words = tuple(map(binder.word, subjects))
    leaves = tuple(map(binder.leaves, subjects))
    return Choice((likely[0].dialect.name, *binder.helpers), words, leaves, tuple(binder.notes))


def _unlikely(reader: _Reader, subjects: Sequence[Subject]) -> int:
    """V-Net's Caffe is for volumes: with no weights of five axes, it is the less likely of two."""
    return reader.dialect.name == "vnet" and not any(5 in subject.blobs for subject in subjects)


@dataclass
class _Binder:
    """Decides each record: by the likely dialects, else by whoever makes sense of it."""

    file: str
    likely: list[_Reader]
    others: list[_Reader]
    helpers: dict[str, None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def word(self, subject: Subject) -> str:
        """The type of a layer, which in the format of 2014 is a number, and forks went on counting."""
        words: dict[str, list[str]] = {}
        for reader in self.likely:
            words.setdefault(subject.word(reader.dialect) or str(subject.number), []).append(reader.dialect.name)
        if len(words) > 1:
            raise self._undecided(subject, {f"type {word}": names for word, names in words.items()})
        return next(iter(words))

    def leaves(self, subject: Subject) -> tuple[Leaf, ...]:
        """What the records of a layer say."""
        decided = (self._decide(subject, i, record) for i, record in enumerate(subject.records))
        return tuple(leaf for reading in decided for leaf in reading.leaves)

    def _decide(self, subject: Subject, i: int, record: Record) -> Reading:
        for readers in (self.likely, self.others):
            good = [(r.dialect.name, reading) for r in readers if (reading := r.read(subject)[0][i]) is not None]
            sound = [(name, reading) for name, reading in good if not reading.strange]
            if not sound:
                continue
            ways = _ways(sound)
            if len(ways) == 1:
                if readers is self.others:
                    self.helpers[sound[0][0]] = None
                return sound[0][1]
            if not all(is_unheeded(leaf.path) for _, reading in sound for leaf in reading.leaves):
                raise self._undecided(subject, ways)
            if sound[0][0] == OWN:
                self._note(subject, f"{_listed(ways)}: taken as Caffe's own, since only training reads it")
                return sound[0][1]
            self._note(subject, f"{_listed(ways)}: left undecided, since only training reads it")
            return Reading((Leaf(str(record.number), Raw(record.data)),))
        partly = [reading for r in self.likely if (reading := r.read(subject)[0][i]) is not None]
        whole = Reading((Leaf(str(record.number), Raw(record.data)),))
        best = min(partly, key=lambda reading: reading.strange, default=whole)
        for leaf in best.leaves:
            if isinstance(leaf.value, Raw):
                self._note(subject, f"no schema explains field {leaf.path} ({len(leaf.value)} bytes); it is kept")
        return best

    def _note(self, subject: Subject, fact: str) -> None:
        where = f'layer "{subject.name}"' if subject.message in ALIKE else "the net"
        self.notes.append(f"{self.file}: {where}: {fact}")

    def _undecided(self, subject: Subject, ways: Mapping[str, Sequence[str]]) -> CaffemodelError:
        fact = f'layer "{subject.name}": its bytes mean several things: {_listed(ways)}'
        wish = ", ".join(names[0] for names in ways.values())
        return CaffemodelError(f"{fact}; want the prototxt too, or the dialect ({wish})", self.file)


def _ways(sound: Sequence[tuple[str, Reading]]) -> dict[str, list[str]]:
    """What readings say where they differ: the dialects by what they take the bytes for."""
    shared = frozenset.intersection(*(reading.meaning for _, reading in sound))
    ways: dict[str, list[str]] = {}
    for name, reading in sound:
        own = sorted(f"{path}: {value}" for path, value in reading.meaning - shared)
        ways.setdefault(", ".join(own) or "the defaults", []).append(name)
    return ways


def _listed(ways: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(
        f"{what} in {names[0] if len(names) == 1 else f'{names[0]} and {len(names) - 1} more'}"
        for what, names in ways.items()
    )
