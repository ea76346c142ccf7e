"""Opening and writing files, with errors that say what is wrong; what is written appears whole or not at all."""

from __future__ import annotations

import mmap
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from caffe2py.errors import FileError

HEAD = 4096  # bytes in which a file says who wrote it


def map_file(path: str | os.PathLike[str]) -> mmap.mmap:
    """The file as a private map: arrays on it can be written to, the file stays as it is. Raises FileError."""
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise FileError("the file is empty", os.fspath(path))
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except OSError as error:
        raise FileError(_reason(error), os.fspath(path)) from None


def says(path: str | os.PathLike[str], mark: bytes) -> bool:
    """Is this a file that has `mark` in its beginning, by which what we write is known?"""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb") as file:
            return mark in file.read(HEAD)
    except OSError:
        return False


def keep_others(path: str | os.PathLike[str], mark: bytes) -> None:
    """Raise FileError where a file stands that we would write, and that is none of ours."""
    if os.path.lexists(path) and not says(path, mark):
        raise FileError("is there already, and caffe2py has not written it; want another folder", os.fspath(path))


@contextmanager
def written_whole(path: str | os.PathLike[str], room: int = 0) -> Iterator[Path]:
    """The name of a new file to write, which takes the name ``path`` only once the block has ended well.

    It lies in a folder of its own beside ``path`` and has its suffix; after an error nothing is left of it, and
    ``path`` is as it was. ``room`` is for libraries that do not survive a full disk: that many bytes must be free
    before the block begins. Raises FileError where the disk is full, the folder missing or not writable.
    """
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file():
            raise FileError("cannot write: what stands there is no file", os.fspath(path))
        with tempfile.TemporaryDirectory("", f".{target.stem[:40]}.", target.parent) as folder:
            # A file that is new, not emptied: ext4 writes out at once what was emptied, and whoever removes it waits.
            made = Path(folder, f"new{target.suffix}")
            _try_room(folder, room)
            yield made
            if target.exists():
                os.chmod(made, target.stat().st_mode & 0o777)
            os.replace(made, target)
    except OSError as error:
        raise FileError(f"cannot write: {_reason(error)}", os.fspath(path)) from None


def _try_room(folder: str, room: int) -> None:
    """Take that many bytes of the disk and give them back; OSError where they are not there."""
    if room and hasattr(os, "posix_fallocate"):
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, room)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
