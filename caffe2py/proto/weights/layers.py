"""What a weights file holds, of whatever format: its layers by name, and their blobs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from caffe2py.errors import CaffemodelError, UnsupportedError, WeightError
from caffe2py.proto.names import decode_names, unique
from caffe2py.proto.weights.blobs import Blob
from caffe2py.proto.weights.wire import encode_field

if TYPE_CHECKING:
    from google.protobuf.message import Message

NET_LAYERS, NET_LAYER = 2, 100  # the fields of a NetParameter that hold V1 layers, and today's


@dataclass(frozen=True)
class LayerBlobs:
    """One layer of a weights file. ``header`` is its message without the blobs, as bytes."""

    name: str
    type: str
    blobs: tuple[Blob, ...]
    header: bytes = b""


@dataclass(frozen=True)
class Weights:
    """What a weights file holds. ``version`` is the format of its layers: "V0", "V1", "V2" or "HDF5"."""

    file: str
    name: str
    layers: tuple[LayerBlobs, ...]
    version: str
    net_fields: bytes = field(default=b"", repr=False)

    @cached_property
    def by_name(self) -> dict[str, LayerBlobs]:
        """The layers that have blobs. Of several with one name the last counts, as in Net::CopyTrainedLayersFrom."""
        return {layer.name: layer for layer in self.layers if layer.blobs}

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the file should be told, a sentence each."""
        named = Counter(layer.name for layer in self.layers if layer.blobs)
        return tuple(
            f'{count} layers with weights are called "{name}"; in a net with one of that name the last counts'
            for name, count in named.items()
            if count > 1
        )

    def net(self) -> Message:
        """The net that the file describes, as a NetParameter of the file's own format, without blobs.

        Raises CaffemodelError where the headers do not parse, UnsupportedError for HDF5 (which holds weights only).
        """
        if self.version == "HDF5":
            raise UnsupportedError("HDF5 weights hold no net; give the prototxt too", self.file)
        from google.protobuf.message import DecodeError

        from caffe2py.proto.schema import NetParameter

        number = NET_LAYER if self.version == "V2" else NET_LAYERS
        layers = b"".join(encode_field(number, layer.header) for layer in self.layers)
        try:
            net = NetParameter.FromString(self.net_fields + layers)
        except (DecodeError, UnicodeDecodeError) as error:
            raise CaffemodelError(f"the layers' parameters do not parse ({error})", self.file) from None
        decode_names(net)
        return net


def check_blobs(path: str | os.PathLike[str], net: Message, blobs: Mapping[str, Sequence[np.ndarray | Blob]]) -> None:
    """Whether these blobs can be written for this net. Raises as ``write_caffemodel`` says."""
    layers = net.layers or net.layer  # type: ignore[attr-defined]
    strangers = set(blobs) - set(unique(layer.name for layer in layers))
    if strangers:
        raise WeightError(f"the net has no layer {', '.join(sorted(map(repr, strangers)))}", os.fspath(path))
    for name, arrays in blobs.items():
        for index, array in enumerate(arrays):
            data = array.data if isinstance(array, Blob) else array
            if data.dtype.newbyteorder("=") not in (np.float32, np.float64):
                fact = f'layer "{name}", blob {index}: {data.dtype} values; want float32 or float64'
                raise WeightError(fact, os.fspath(path))
