"""Data: samples and labels from an LMDB or a LevelDB of Datum messages (data_layer.cpp)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from caffe2py.errors import CaffeError, FileError
from caffe2py.layers.base import Count, Misfit, Params, Shape
from caffe2py.proto.schema import message_class
from caffe2py.runtime.blobs.blob import Blob
from caffe2py.runtime.data.databases import open_database
from caffe2py.runtime.data.feed import Feed
from caffe2py.runtime.data.pictures import decode_picture
from caffe2py.runtime.data.transform import Transformer
from caffe2py.runtime.mode import workers


class DatabaseFeed(Feed):
    """Records in the order of their keys, over and over. Of several solvers that train each reads its own."""

    type = "Data"
    tops = Count(1, 2)

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        said = self.message.data_param
        if not said.batch_size:
            raise Misfit("gives no batch_size; want at least 1")
        self._source = str(said.source)
        self._batch = int(said.batch_size)
        self._color = True if self.message.transform_param.force_color else None
        self._color = False if self.message.transform_param.force_gray else self._color
        self._transform = Transformer(self.message, self.tell)
        backend = "LMDB" if said.backend == 1 else "LEVELDB"
        self._database = open_database(self._source, backend)
        self.tell(
            "db_lmdb.cpp:35" if said.backend == 1 else "db_leveldb.cpp:18", f"Opened {backend.lower()} {self._source}"
        )
        self._records = self._shared()

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        first = next(self._database.values(), None)
        if first is None:
            raise FileError("holds no record", self._source)
        shape = (self._batch, *self._transform.size(datum_array(parse_datum(first), self._source, self._color).shape))
        self.tell("data_layer.cpp:45", f"output data size: {','.join(map(str, shape))}")
        return [shape, (self._batch,)][: len(self.message.top)]

    def load(self, tops: Sequence[Blob]) -> None:
        samples, labels = [], np.empty(self._batch, np.float32)
        for i in range(self._batch):
            datum = next(self._records)
            samples.append(self._transform(datum_array(datum, self._source, self._color)))
            labels[i] = datum.label
        batch = stacked(samples, self._source)
        tops[0].fill(batch)
        if len(tops) > 1:
            tops[1].fill(labels)

    def _shared(self) -> Iterator[Any]:
        """This solver's records, without end."""
        offset = 0
        while True:
            for value in self._database.values():
                count, rank = workers()
                if offset % count == rank or not self._transform.training:
                    yield parse_datum(value)
                offset += 1
            self.tell("data_layer.cpp:73", "Restarting data prefetching from start.")


def datum_array(datum: Any, source: str, color: bool | None = None) -> np.ndarray:
    """The sample (channels, height, width) in a Datum; an encoded one is decoded, `color` says how."""
    if datum.encoded:
        return decode_picture(datum.data, color)
    shape = (datum.channels, datum.height, datum.width)
    values = np.frombuffer(datum.data, np.uint8) if datum.data else np.array(datum.float_data, np.float32)
    if min(shape) < 0 or values.size != math.prod(shape):
        raise CaffeError(f"a record of shape {shape} holds {values.size} values", source)
    return values.reshape(shape)


def parse_datum(value: bytes) -> Any:
    """The Datum in a record's bytes."""
    from google.protobuf.message import DecodeError

    try:
        return message_class("Datum").FromString(value)
    except DecodeError:
        raise CaffeError("the database holds a record that is no Datum") from None


def stacked(samples: Sequence[np.ndarray], source: str) -> np.ndarray:
    """Samples as one array. Raises `CaffeError` where their shapes differ."""
    for sample in samples:
        if sample.shape != samples[0].shape:
            wish = "want one size, or a crop_size or new_height and new_width"
            raise CaffeError(f"samples of {samples[0].shape} and {sample.shape} in one batch; {wish}", source)
    return np.stack(samples)
