"""Opening and writing files, with errors that say what is wrong; what is written appears whole or not at all."""

from __future__ import annotations

import io
import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from caffe2py.errors import FileError
from caffe2py.proto.disk.damage import reason
from caffe2py.proto.disk.staging import check_parent, staged_file

HEAD = 4096  # bytes in which a file says who wrote it


def map_file(path: str | os.PathLike[str]) -> mmap.mmap:
    """The file as a private map: arrays on it can be written to, the file stays as it is. Raises FileError."""
    try:
        if stat.S_ISFIFO(os.stat(path).st_mode):  # which nobody may ever write to
            raise FileError("is a pipe; want a file", os.fspath(path))
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise FileError("the file is empty", os.fspath(path))
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except OSError as error:
        raise FileError(reason(error), os.fspath(path)) from None


def read_text(path: str | os.PathLike[str], errors: str = "strict") -> str:
    """The text of a file in UTF-8; `errors` says what becomes of other bytes, as in `open`. Raises FileError."""
    try:
        return Path(path).read_text(encoding="utf-8-sig", errors=errors)
    except OSError as error:
        raise FileError(reason(error), os.fspath(path)) from None
    except UnicodeDecodeError as error:
        raise FileError(f"is no text in UTF-8 (byte {error.start})", os.fspath(path)) from None


def says(path: str | os.PathLike[str], mark: bytes, within: int = HEAD) -> bool:
    """Is this a file that has `mark` in its first bytes, by which what we write is known?"""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb") as file:
            return mark in file.read(within)
    except OSError:
        return False


def keep_others(path: str | os.PathLike[str], mark: bytes) -> None:
    """Raise FileError where a file stands that we would write, and that is none of ours."""
    if os.path.lexists(path) and not says(path, mark):
        raise FileError("is there already, and caffe2py has not written it; want another folder", os.fspath(path))


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """The name of a new file to write, which takes the name ``path`` only once the block has ended well.

    After an error nothing is left of it, and ``path`` is as it was. For libraries that do not survive a full disk, or
    that look at the name, see ``steady``. Raises FileError where the disk is full, the folder missing or not writable.
    """
    target = Path(os.path.realpath(path))
    check_parent(Path(path) if not os.path.islink(path) else target)
    try:
        if target.exists() and not target.is_file():
            raise FileError("cannot write: what stands there is no file", os.fspath(path))
        with staged_file(target) as made:
            yield made
    except OSError as error:
        raise FileError(f"cannot write: {reason(error)}", os.fspath(path)) from None


@contextmanager
def steady(path: Path) -> Iterator[BinaryIO]:
    """The file as an open one that takes all that is written; an error on the disk is raised when the block ends.

    For libraries of C and C++, which end the process where a write fails, or tell of it in words of their own.
    """
    with open(path, "w+b", buffering=0) as file:
        made = _Steady(file)
        try:
            yield made  # type: ignore[misc]
        finally:
            if made.error is not None:
                raise made.error from None


class _Steady(io.RawIOBase):
    """A file whose writes do not fail; the first error is kept."""

    def __init__(self, file: io.FileIO) -> None:
        self.file = file
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        left = memoryview(data).cast("B")
        size = left.nbytes
        try:
            while left and self.error is None:
                left = left[self.file.write(left) :]
        except OSError as error:
            self.error = error
        return size

    def truncate(self, size: int | None = None) -> int:
        try:
            return self.file.truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0

    def readinto(self, buffer: Any) -> int:
        return self.file.readinto(buffer) or 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
