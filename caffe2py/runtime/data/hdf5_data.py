"""HDF5Data: rows of the data sets that the tops name, from a list of HDF5 files (hdf5_data_layer.cpp)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from caffe2py.errors import CaffeError, FileError
from caffe2py.layers.base import Misfit, Params, Shape
from caffe2py.proto.disk.damage import damage_told
from caffe2py.proto.disk.files import read_text
from caffe2py.proto.hdf5.safe import WHAT, open_safely, read_array
from caffe2py.runtime.blobs.blob import Blob
from caffe2py.runtime.data.feed import Feed
from caffe2py.runtime.mode import rng, workers


class Hdf5Feed(Feed):
    """Rows in order, file by file, over and over; with `shuffle` in a random order within each file, and of files."""

    type = "HDF5Data"

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        said = self.message.hdf5_data_param
        if not said.batch_size:
            raise Misfit("gives no batch_size; want at least 1")
        self._batch = int(said.batch_size)
        self._shuffle = bool(said.shuffle)
        self._training = self.message.phase == 0
        self.tell("hdf5_data_layer.cpp:81", f"Loading list of HDF5 filenames from: {said.source}")
        self._files = _listed(said.source)
        self.tell("hdf5_data_layer.cpp:95", f"Number of HDF5 files: {len(self._files)}")
        self._order = self._permutation(len(self._files))
        self._file = 0
        self._offset = 0
        self._at = 0
        self._open()

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        return [(self._batch, *rows.shape[1:]) for rows in self._rows]

    def load(self, tops: Sequence[Blob]) -> None:
        pieces: list[list[np.ndarray]] = [[] for _ in tops]
        missing = self._batch
        while missing:
            count, rank = workers() if self._training else (1, 0)
            first = self._at + (rank - self._offset) % count  # the next row that is this solver's
            places = self._places[first::count][:missing]
            for held, rows in zip(pieces, self._rows, strict=True):
                held.append(rows[places])
            missing -= len(places)
            end = first + count * (len(places) - 1) + 1 if len(places) else len(self._places)
            self._offset += end - self._at
            self._at = end
            if self._at >= len(self._places):
                self._next_file()
        for top, held in zip(tops, pieces, strict=True):
            values = np.concatenate(held)
            top.fill(values)

    def _tell_class(self, kind: str) -> None:
        """Caffe says once in a process what kind of numbers it reads."""
        line, name = (33, "FLOAT") if kind == "f" else (36, "INTEGER")
        if name not in _told:
            _told.add(name)
            self.tell(f"hdf5.cpp:{line}", f"Datatype class: H5T_{name}")

    def _next_file(self) -> None:
        if len(self._files) > 1:
            self._file += 1
            if self._file == len(self._files):
                self._file = 0
                self._order = self._permutation(len(self._files))
            self._open()
        else:
            self._rewind()

    def _open(self) -> None:
        name = self._files[self._order[self._file]]
        self._rows = []
        with open_safely(name) as file, damage_told(name, WHAT):
            for top in self.message.top:
                if top not in file:
                    raise FileError(f'holds no data set "{top}"', name)
                self._tell_class(file[top].dtype.kind)
                self._rows.append(read_array(file[top]).astype(np.float32))
        if len({len(rows) for rows in self._rows}) != 1 or not len(self._rows[0]):
            sizes = ", ".join(str(len(rows)) for rows in self._rows)
            raise CaffeError(f"its data sets have {sizes} rows; want as many of each, and at least one", name)
        self._rewind()

    def _rewind(self) -> None:
        self._places = self._permutation(len(self._rows[0]))
        self._at = 0

    def _permutation(self, count: int) -> np.ndarray:
        return rng().permutation(count) if self._shuffle else np.arange(count)


_told: set[str] = set()


def _listed(source: str) -> list[str]:
    """The files of a list, a name a word: from the current folder on, as in Caffe, else beside the list."""
    names = read_text(source).split()
    if not names:
        raise FileError("Must have at least 1 HDF5 filename listed", source)
    beside = Path(source).parent
    return [str(beside / n) if not Path(n).exists() and (beside / n).exists() else n for n in names]
