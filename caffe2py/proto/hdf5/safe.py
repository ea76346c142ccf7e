"""HDF5 files that may be damaged, or made to do harm.

An HDF5 file can point at other files and declare more than it holds, so files are opened with ``open_safely`` and
arrays read with ``read_array``. What of a file libhdf5 would never come to an end with, ``trial`` finds before.
"""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe2py.errors import FileError
from caffe2py.proto.disk.damage import damage_told
from caffe2py.proto.disk.files import map_file, steady
from caffe2py.proto.disk.looks import looks_like
from caffe2py.proto.hdf5 import trial
from caffe2py.proto.hdf5.trial import MAGIC
from caffe2py.proto.names import decode_name

if TYPE_CHECKING:
    import h5py

DENSEST = 1032  # bytes that one byte of deflate can stand for at most
WHAT = "HDF5 file"


def open_safely(path: str | os.PathLike[str]) -> h5py.File:
    """The HDF5 file, open for reading, once it is known that all its links stay inside it.

    Another process has tried it out before. Raises FileError: no such file, no HDF5 file, a damaged one, soft or
    external links, a group with two names. What is read from it may still be damaged: see ``damage_told`` and
    ``members``.
    """

    name = os.fspath(path)
    head = map_file(path)[:4096]
    if not head.startswith(MAGIC):
        kind = looks_like(head)
        raise FileError(f"not an HDF5 file{f': it is {kind}' if kind else ''}", name)
    trial.passed(path)
    with damage_told(path, WHAT):
        file = _opened(name)
        try:
            check_links(file, name)
        except BaseException:
            file.close()
            raise
    return file


def _opened(name: str) -> h5py.File:
    import h5py

    if os.path.exists(os.path.realpath(name)):
        return h5py.File(name, "r", locking="best-effort")
    source = open(name, "rb")  # what came through a pipe, which HDF5 does not find by name  # noqa: SIM115
    file = h5py.File(source, "r")
    weakref.finalize(file, source.close)
    return file


def members(group: h5py.Group) -> Iterator[tuple[str | bytes, h5py.Group | h5py.Dataset]]:
    """What is in a group, by name, which is bytes where it is no UTF-8. FileError: something cannot be opened."""
    with damage_told(group.file.filename, WHAT):
        names = list(group)
    for name in names:
        with damage_told(group.file.filename, WHAT):
            member = group[name]
        yield name, member


def read_array(dataset: h5py.Dataset) -> np.ndarray:
    """The whole dataset of numbers, in native byte order, once it is known that its bytes are in the file.

    Raises FileError: not numbers, stored in other files, a declared size that the file does not hold, damaged.
    """
    place = dataset.file.filename
    with damage_told(place, WHAT):
        _check_storage(dataset, place, "fiub", "numbers")
        data: np.ndarray = dataset[()]
        return np.asarray(data, data.dtype.newbyteorder("="))


def read_string(dataset: h5py.Dataset) -> str:
    """The text in a dataset, as safely. Bytes that are no UTF-8 become what `os.fsencode` makes the same of."""
    place = dataset.file.filename
    with damage_told(place, WHAT):
        _check_storage(dataset, place, "SO", "text")
        data = dataset[()]
        return data.decode(errors="surrogateescape") if isinstance(data, bytes) else str(data)


@contextmanager
def new_hdf5(path: Path, **settings: Any) -> Iterator[h5py.File]:
    """A new HDF5 file to write. Raises OSError where the disk is full: HDF5, which writes at the end, would crash."""
    import h5py

    with steady(path) as disk, h5py.File(disk, "w", **settings) as file:
        yield file


def check_links(file: h5py.File, name: str) -> None:
    """Raise FileError where a link leads elsewhere, or where a group has two names, and so may be in itself."""
    import h5py

    seen = {h5py.h5o.get_info(file.id).addr}

    def fault(path: bytes, link: h5py.h5l.LinkInfo) -> str | None:
        if link.type != h5py.h5l.TYPE_HARD:
            return f'"/{decode_name(path)}" is a link to another place: refused'
        if link.u in seen and h5py.h5o.get_info(file.id, path).type == h5py.h5o.TYPE_GROUP:
            return f'"/{decode_name(path)}" is a second name of a group: refused'
        seen.add(link.u)
        return None

    found = file.id.links.visit(fault, info=True)
    if found:
        raise FileError(found, name)


def _check_storage(dataset: h5py.Dataset, place: str, kinds: str, what: str) -> None:
    import h5py

    plist = dataset.id.get_create_plist()
    layout = plist.get_layout()
    if layout == h5py.h5d.VIRTUAL or plist.get_external_count():
        raise FileError(f'"{dataset.name}" is stored in other files: refused', place)
    if dataset.dtype.kind not in kinds or dataset.shape is None:
        raise FileError(f'"{dataset.name}" holds no {what}', place)
    declared = math.prod(dataset.shape) * dataset.dtype.itemsize
    stored = dataset.id.get_storage_size()
    densest = 1
    if layout == h5py.h5d.CHUNKED:
        densest = DENSEST if plist.get_nfilters() else 1
        chunks = math.prod(-(-size // part) for size, part in zip(dataset.shape, dataset.chunks, strict=True))
        if dataset.id.get_num_chunks() < chunks:
            raise FileError(f'"{dataset.name}": {dataset.id.get_num_chunks()} of {chunks} chunks are there', place)
    if stored > dataset.file.id.get_filesize() or declared > stored * densest:
        raise FileError(f'"{dataset.name}" {dataset.shape} declares {declared} bytes, {stored} are there', place)
