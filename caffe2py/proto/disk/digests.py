"""Hashes of files: several at once, and of a large file once for each of its states."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, BinaryIO

from caffe2py.errors import FileError
from caffe2py.proto.disk.damage import reason

PIECE = 1 << 20
LARGE = 1 << 20  # below this, a hash need not be kept
GIT = "git"  # the algorithm by which git names a content: sha1, of its length too

_known: dict[tuple[str, str, int, int], Future[str]] = {}
_lock = threading.Lock()


def digest(path: str | os.PathLike[str], algorithm: str = "sha256") -> str:
    """The hash of a file in hexadecimal. Raises FileError."""
    return digests(path, (algorithm,))[algorithm]


def digest_ahead(path: str | os.PathLike[str]) -> None:
    """Begin to hash a large file in the background; ``digest`` has its sha256 the sooner."""

    def work() -> None:
        with suppress(FileError):  # whoever wants the hash is told
            digest(path)

    threading.Thread(target=work, daemon=True).start()


def digests(path: str | os.PathLike[str], algorithms: Sequence[str]) -> dict[str, str]:
    """The hashes of a file by algorithm: names of hashlib, and GIT. Raises FileError.

    Those of a large file are kept, and who asks for what another thread is computing waits for it.
    """
    place = os.path.abspath(path)
    try:
        state = os.stat(place)
    except OSError as error:
        raise FileError(reason(error), os.fspath(path)) from None
    if not stat.S_ISREG(state.st_mode):
        raise FileError("is no file; only files have hashes", os.fspath(path))
    if state.st_size < LARGE:
        return range_digests(path, algorithms, 0, state.st_size)
    keys = {name: (place, name, state.st_size, state.st_mtime_ns) for name in algorithms}
    with _lock:
        mine = [name for name in algorithms if keys[name] not in _known]
        futures = {name: _known.setdefault(key, Future()) for name, key in keys.items()}
    if mine:
        try:
            for name, found in range_digests(path, mine, 0, state.st_size).items():
                futures[name].set_result(found)
        except BaseException as error:
            for name in mine:
                _known.pop(keys[name], None)
                futures[name].set_exception(error)
            raise
    return {name: future.result() for name, future in futures.items()}


def range_digests(path: str | os.PathLike[str], algorithms: Sequence[str], start: int, size: int) -> dict[str, str]:
    """The hashes of ``size`` bytes of a file from ``start`` on. Raises FileError where there are fewer."""
    made: dict[str, Any] = {
        n: hashlib.new("sha1", usedforsecurity=False) if n == GIT else hashlib.new(n) for n in algorithms
    }
    if GIT in made:
        made[GIT].update(b"blob %d\0" % size)
    try:
        with open(path, "rb", buffering=0) as file:
            file.seek(start)
            for piece in pieces(file, size):
                for each in made.values():
                    each.update(piece)
    except FileError as error:
        raise FileError(str(error), os.fspath(path)) from None
    except OSError as error:
        raise FileError(reason(error), os.fspath(path)) from None
    return {name: str(each.hexdigest()) for name, each in made.items()}


def pieces(file: BinaryIO, size: int) -> Iterator[memoryview]:
    """The next ``size`` bytes of a file, a piece at a time in one place. Raises FileError where there are fewer."""
    held = memoryview(bytearray(min(PIECE, size)))
    left = size
    while left:
        read = file.readinto(held[: min(PIECE, left)])  # type: ignore[attr-defined]
        if not read:
            raise FileError(f"ends {left} bytes too early")
        left -= read
        yield held[:read]
