"""Databases of samples, LMDB and LevelDB, through the packages for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakValueDictionary

from caffe2py.errors import CaffeError, FileError
from caffe2py.proto.disk.damage import damage_told

ROOM = 1 << 40  # an LMDB grows up to this; the file is as large as what is in it


class Reader(Protocol):
    """A database open for reading."""

    def values(self) -> Iterator[bytes]:
        """The values in the order of their keys."""


class Writer(Protocol):
    """A database open for writing."""

    def put(self, key: bytes, value: bytes) -> None: ...

    def close(self) -> None: ...


def open_database(path: str, backend: str) -> Reader:
    """Open a database, "LMDB" or "LEVELDB". Raises `FileError` where there is none."""
    if not Path(path).exists():
        raise FileError(f"no such {backend}", path)
    place = os.path.realpath(path)
    found = _open.get(place)
    if found is None:
        found = _open[place] = _Lmdb(path) if backend == "LMDB" else _LevelDb(path)
    return found


def new_database(path: str, backend: str) -> Writer:
    """Make a database. Raises `FileError` where something stands there, `OSError` where it cannot be written."""
    if Path(path).exists():
        raise FileError("something stands there already; want a new name, or to remove it", path)
    return _NewLmdb(path) if backend == "LMDB" else _NewLevelDb(path)


# The packages open a database once in a process; the nets of a solver may read the same one.
_open: WeakValueDictionary[str, Reader] = WeakValueDictionary()


class _Lmdb:
    def __init__(self, path: str) -> None:
        lmdb = _package("lmdb", "LMDBs")
        self._path = path
        try:
            self._env = lmdb.open(path, readonly=True, lock=False, subdir=os.path.isdir(path), max_readers=1)
        except lmdb.Error as error:
            raise FileError(f"not an LMDB that can be read ({error})", path) from None

    def values(self) -> Iterator[bytes]:
        with (
            damage_told(self._path, "LMDB"),
            self._env.begin(buffers=False) as transaction,
            transaction.cursor() as cursor,
        ):
            yield from cursor.iternext(keys=False)


class _LevelDb:
    def __init__(self, path: str) -> None:
        plyvel = _package("plyvel", "LevelDBs")
        self._path = path
        try:
            self._db = plyvel.DB(os.path.realpath(path), create_if_missing=False)
        except (plyvel.Error, OSError) as error:
            raise FileError(f"not a LevelDB that can be read ({error})", path) from None

    def values(self) -> Iterator[bytes]:
        with damage_told(self._path, "LevelDB"):
            yield from self._db.iterator(include_key=False)


@contextmanager
def _written(kind: type[Exception]) -> Iterator[None]:
    """What a package raises of a full disk and the like, as the OSError that it is."""
    try:
        yield
    except kind as error:
        said = error.args[0] if error.args else ""
        text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise OSError(text.rpartition(": ")[2].lower()) from None  # behind the file's name, or the call's


class _NewLmdb:
    def __init__(self, path: str) -> None:
        lmdb = _package("lmdb", "LMDBs")
        self._error = lmdb.Error
        with _written(self._error):
            self._env = lmdb.open(path, map_size=ROOM)
            self._transaction = self._env.begin(write=True)
        self._count = 0

    def put(self, key: bytes, value: bytes) -> None:
        with _written(self._error):
            self._transaction.put(key, value)
            self._count += 1
            if self._count % 1000 == 0:
                self._transaction.commit()
                self._transaction = self._env.begin(write=True)

    def close(self) -> None:
        with _written(self._error):
            self._transaction.commit()
            self._env.close()


class _NewLevelDb:
    def __init__(self, path: str) -> None:
        plyvel = _package("plyvel", "LevelDBs")
        self._error = plyvel.Error
        with _written(self._error):
            self._db = plyvel.DB(os.path.realpath(path), create_if_missing=True)

    def put(self, key: bytes, value: bytes) -> None:
        with _written(self._error):
            self._db.put(key, value)

    def close(self) -> None:
        self._db.close()


def _package(name: str, what: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        raise CaffeError(f"{what} need {name}: pip install 'caffe2py[runtime]'") from None
