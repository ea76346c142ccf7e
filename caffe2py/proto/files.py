"""Opening and writing files, with errors that say what is wrong; what is written appears whole or not at all."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from caffe2py.errors import FileError


def map_file(path: str | os.PathLike[str]) -> mmap.mmap:
    """The file as a private map: arrays on it can be written to, the file stays as it is. Raises FileError."""
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise FileError("the file is empty", os.fspath(path))
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except OSError as error:
        raise FileError(_reason(error), os.fspath(path)) from None


@contextmanager
def written_whole(path: str | os.PathLike[str], room: int = 0) -> Iterator[Path]:
    """A new empty file to write, which takes the name ``path`` only once the block has ended well.

    It lies beside ``path`` and has its suffix; after an error nothing is left of it, and ``path`` is as it was.
    ``room`` is for libraries that do not survive a full disk: that many bytes must be free before the block begins.
    Raises FileError where the disk is full, the folder missing or not writable.
    """
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file():
            raise FileError("cannot write: what stands there is no file", os.fspath(path))
        handle, name = tempfile.mkstemp(target.suffix, f".{target.stem[:40]}.", target.parent)
        try:
            _try_room(handle, room)
            yield Path(name)
            os.chmod(name, _mode(target))
            os.replace(name, target)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise FileError(f"cannot write: {_reason(error)}", os.fspath(path)) from None


def _try_room(handle: int, room: int) -> None:
    """Take that many bytes of the disk and give them back; OSError where they are not there."""
    with os.fdopen(handle, "wb") as file:
        if room and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(handle, 0, room)
            file.truncate(0)


def _mode(target: Path) -> int:
    """The mode a plain ``open`` would have left: that of the file replaced, or what the umask allows."""
    if target.exists():
        return target.stat().st_mode & 0o777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
