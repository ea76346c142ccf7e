"""A caffemodel: the layers of a saved net and their blobs, read from a memory map without a copy.

The binary file is a NetParameter. Its layers stand in field 100 (today's format, "V2"), or in field 2 ("V1";
and "V0" where field 1 of a layer holds the layer proper). Only names, types and blobs are read here; everything else of
a layer is its header, kept as bytes until ``Weights.net`` is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caffe2py.errors import CaffemodelError, UnsupportedError
from caffe2py.proto.disk.files import written_whole
from caffe2py.proto.disk.looks import looks_like
from caffe2py.proto.forks import PLAIN
from caffe2py.proto.names import decode_name, unique
from caffe2py.proto.weights.blobs import Blob, encode_blob, parse_blob
from caffe2py.proto.weights.layers import NET_LAYER, NET_LAYERS, LayerBlobs, Weights, check_blobs
from caffe2py.proto.weights.wire import (
    LEN,
    VARINT,
    Buffer,
    Field,
    WireError,
    encode_field,
    encode_head,
    fields,
    varint,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

NET_NAME = 1
V0_LAYER = 1
LARGEST_HEADER = 1 << 26  # a layer's parameters are text-sized; what is larger is no layer


class Numbers(NamedTuple):
    """The fields that are read of a layer, in one of the three formats."""

    name: int
    type: int
    blobs: int


V0, V1, V2 = Numbers(1, 2, 50), Numbers(4, 5, 6), Numbers(1, 2, 7)


def parse_weights(buf: Buffer, file: str) -> Weights:
    """The binary NetParameter in ``buf``; ``file`` is its name in messages."""
    try:
        return _parse_net(buf, file)
    except WireError as error:
        kind = looks_like(buf[:4096])
        if kind:
            wish = ": swap the two" if kind == "a prototxt" else ""
            raise CaffemodelError(f"not a caffemodel: it is {kind}{wish}", file) from None
        raise CaffemodelError(str(error), file) from None
    except UnsupportedError as error:
        raise UnsupportedError(str(error), file) from None


def write_caffemodel(
    path: str | os.PathLike[str], net: Message, blobs: Mapping[str, Sequence[np.ndarray | Blob]], kind: str = PLAIN
) -> None:
    """Write a net (today's format or 2014's, without blobs) and its blobs, by layer name (`names.unique`), as one file.

    float32 arrays are written as ``data``, float64 as ``double_data``; a ``Blob`` keeps its legacy shape. `kind` is of
    a fork's blobs. The bytes are streamed, so only the disk limits the size; Caffe itself reads up to 2 GB. Raises
    WeightError for other arrays and for names that the net lacks, FileError where the file cannot be written.
    """
    check_blobs(path, net, blobs)
    old = bool(net.layers)  # type: ignore[attr-defined]
    field, numbers, number = ("layers", V1, NET_LAYERS) if old else ("layer", V2, NET_LAYER)
    layers: Sequence[Any] = getattr(net, field)
    top = type(net)()
    top.CopyFrom(net)
    top.ClearField(field)
    with written_whole(path) as temporary, open(temporary, "wb") as file:
        file.write(top.SerializeToString())
        for key, layer in zip(unique(layer.name for layer in layers), layers, strict=True):
            before, after = _split_header(layer.SerializeToString(), numbers.blobs)
            bodies = [encode_blob(b if isinstance(b, Blob) else Blob(b), kind) for b in blobs.get(key, ())]
            heads = [encode_head(numbers.blobs, length) for length, _ in bodies]
            size = len(before) + sum(map(len, heads)) + sum(length for length, _ in bodies) + len(after)
            file.write(encode_head(number, size) + before)
            for head, (_, pieces) in zip(heads, bodies, strict=True):
                file.write(head)
                file.writelines(pieces)
            file.write(after)


def _parse_net(buf: Buffer, file: str) -> Weights:
    name = b""
    found: dict[int, list[LayerBlobs]] = {NET_LAYER: [], NET_LAYERS: []}
    old = False
    kept: list[Field] = []
    for item in _top_fields(buf):
        if item.number in found:
            _want(item, LEN, "a layer")
            number = len(found[item.number])
            try:
                layer, nested = _parse_layer(buf, item, V2 if item.number == NET_LAYER else V1)
            except WireError as error:
                raise WireError(error.at, f"layer {number}: {error.fact}") from None
            found[item.number].append(layer)
            old = old or nested
            continue
        if item.number == NET_NAME:
            _want(item, LEN, "the net's name")
            name = buf[item.start : item.end]
        kept.append(item)
    if found[NET_LAYER] and found[NET_LAYERS]:
        raise CaffemodelError('both "layer" and "layers" in one net', file)
    layers = found[NET_LAYER] or found[NET_LAYERS]
    if not layers:
        raise WireError(len(buf), "no layers in it: not a caffemodel")
    version = "V2" if found[NET_LAYER] else "V0" if old else "V1"
    return Weights(file, decode_name(name), tuple(layers), version, _cut(buf, kept))


def _top_fields(buf: Buffer) -> Iterator[Field]:
    try:
        yield from fields(buf, 0, len(buf))
    except WireError as error:
        raise WireError(error.at, f"{error.fact}: the file is cut off, or no caffemodel") from None


def _parse_layer(buf: Buffer, place: Field, numbers: Numbers) -> tuple[LayerBlobs, bool]:
    """The layer in a field, and whether it is a V0 layer in a V1 one."""
    name, kind = b"", ""
    blobs: list[Field] = []
    kept: list[Field] = []
    nested: list[Field] = []
    for item in fields(buf, place.start, place.end):
        if item.number == numbers.blobs:
            _want(item, LEN, "a blob")
            blobs.append(item)
            continue
        if numbers is V1 and item.number == V0_LAYER:
            _want(item, LEN, "a V0 layer")
            nested.append(item)
            continue
        if item.number == numbers.name:
            _want(item, LEN, "a layer's name")
            name = buf[item.start : item.end]
        elif item.number == numbers.type:
            _want(item, VARINT if numbers is V1 else LEN, "a layer's type")
            kind = _v1_type(buf, item) if numbers is V1 else decode_name(buf[item.start : item.end])
        kept.append(item)
    header = _cut(buf, kept)
    if not nested:
        return LayerBlobs(decode_name(name), kind, _parse_blobs(buf, name, blobs), header), False
    if blobs or len(nested) > 1:
        raise WireError(place.at, "a V0 layer and a V1 layer in one")
    inner, _ = _parse_layer(buf, nested[0], V0)
    return LayerBlobs(inner.name, inner.type, inner.blobs, header + encode_field(V0_LAYER, inner.header)), True


def _parse_blobs(buf: Buffer, name: bytes, places: list[Field]) -> tuple[Blob, ...]:
    blobs = []
    for index, place in enumerate(places):
        try:
            blobs.append(parse_blob(buf, place.start, place.end))
        except WireError as error:
            raise WireError(error.at, f'"{decode_name(name)}", blob {index}: {error.fact}') from None
    return tuple(blobs)


def _want(item: Field, wire: int, what: str) -> None:
    if item.wire != wire:
        raise WireError(item.at, f"wire type {item.wire} where {what} belongs: not a caffemodel")


def _cut(buf: Buffer, kept: list[Field]) -> bytes:
    size = sum(item.end - item.at for item in kept)
    if size > LARGEST_HEADER:
        raise WireError(kept[0].at, f"{size} bytes of parameters")
    return b"".join([buf[item.at : item.end] for item in kept])


def _v1_type(buf: Buffer, item: Field) -> str:
    """The word for a V1 layer type, as a V1 prototxt spells it; a fork's own type stays a number."""
    from caffe2py.proto.schema import V1LayerParameter

    number, _ = varint(buf, item.start, item.end)
    known = V1LayerParameter.DESCRIPTOR.enum_types_by_name["LayerType"].values_by_number.get(number)
    return known.name if known else str(number)


def _split_header(header: bytes, blobs: int) -> tuple[bytes, bytes]:
    """A layer's bytes before and after the place of its blobs, which Caffe writes in the order of field numbers."""
    for item in fields(header, 0, len(header)):
        if item.number > blobs:
            return header[: item.at], header[item.at :]
    return header, b""
