"""A saved net as bytes: of each layer what all forks read alike, and the records that they may not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from caffe2py.proto.forks import Dialect
from caffe2py.proto.names import v1_type_name
from caffe2py.proto.schema import LayerParameter, V1LayerParameter
from caffe2py.proto.weights.layers import LayerBlobs, Weights
from caffe2py.proto.weights.wire import VARINT, Field, fields, varint

V2_ALIKE = frozenset(range(1, 12))
V1_ALIKE = frozenset((1, 2, 3, 4, 7, 8, 32, 33, 35, 1001, 1002))
V1_TYPE = 5
NET_ALIKE = frozenset((*range(1, 9), 100))


class Record(NamedTuple):
    """A field as it stands in a file: its number, and its bytes, the tag among them."""

    number: int
    data: bytes

    @property
    def item(self) -> Field:
        return next(fields(self.data, 0, len(self.data)))


@dataclass(frozen=True)
class Subject:
    """One layer, or the net itself, whose records are to be read."""

    message: str  # what the schema calls it
    name: str
    base: Any  # the message of what all forks read alike
    records: tuple[Record, ...]
    kind: str = ""  # the type, of a layer of today's format
    number: int | None = None  # the type, of a layer of 2014
    blobs: tuple[int, ...] = ()  # how many axes each has

    def word(self, by: Dialect) -> str | None:
        """The layer's type as its format names it, None where the dialect has none of that number."""
        if self.number is None:
            return self.kind
        layer: Any = by.message(self.message)
        found = layer.enum_types_by_name["LayerType"].values_by_number.get(self.number)
        return None if found is None else found.name

    def type(self, by: Dialect) -> str | None:
        """Today's name of the layer's type."""
        word = self.word(by)
        return word if word is None or self.number is None else v1_type_name(word)

    @property
    def key(self) -> tuple[object, ...]:
        """Layers of one key are read alike."""
        return self.message, self.kind, self.number, self.records, self.blobs


def subjects(weights: Weights) -> list[Subject]:
    """The net's own fields, then its layers."""
    return [_net(weights), *(_layer(layer, weights.version == "V2") for layer in weights.layers)]


def _net(weights: Weights) -> Subject:
    from caffe2py.proto.schema import NetParameter

    base, records = _split(weights.net_fields, NET_ALIKE)
    return Subject("NetParameter", weights.name, NetParameter.FromString(base), records)


def _layer(layer: LayerBlobs, today: bool) -> Subject:
    axes = tuple(blob.data.ndim for blob in layer.blobs)
    if today:
        base, records = _split(layer.header, V2_ALIKE)
        message = LayerParameter.FromString(base)
        return Subject("LayerParameter", layer.name, message, records, layer.type, None, axes)
    base, records = _split(layer.header, V1_ALIKE)
    types = [r for r in records if r.number == V1_TYPE and r.item.wire == VARINT]
    number = varint(types[-1].data, types[-1].item.start, len(types[-1].data))[0] if types else 0
    rest = tuple(r for r in records if r.number != V1_TYPE)
    return Subject("V1LayerParameter", layer.name, V1LayerParameter.FromString(base), rest, "", number, axes)


def _split(header: bytes, alike: Iterable[int]) -> tuple[bytes, tuple[Record, ...]]:
    base, records = [], []
    for item in fields(header, 0, len(header)):
        data = header[item.at : item.end]
        if item.number in alike:
            base.append(data)
        else:
            records.append(Record(item.number, data))
    return b"".join(base), tuple(records)
