"""A private place beside what is being made: killed at any moment, there is nothing at the target, or all of it.

A file has no name until it is whole, where the system has such files (O_TMPFILE of Linux): of one that is not finished
nothing is left. Else, and for folders, the place is a folder `.TARGET.XXXXXXXX.caffe2py-partial`, locked by the process
that fills it. What a killed process leaves has no lock any more, and the next one that writes beside it removes it.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from caffe2py.errors import FileError
from caffe2py.proto.disk.damage import reason

PARTIAL = ".caffe2py-partial"
LOCKS = importlib.util.find_spec("fcntl") is not None  # without, on Windows, leftovers stay until somebody removes them


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A new folder beside `target`, gone after the block with all that is still in it. Raises `FileError`."""
    check_parent(target)
    parent = target.absolute().parent
    try:
        remove_leftovers(parent)
        folder, lock = _make(parent, target.name)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            if lock is not None:
                os.close(lock)
    except OSError as error:
        raise FileError(f"cannot write: {reason(error)}", str(target)) from None


@contextmanager
def staged_file(target: Path) -> Iterator[Path]:
    """Where to write a file that takes the name `target` when the block has ended well: `target` is then all new.

    A file that was there is replaced, and its mode kept. Raises `OSError`.
    """
    handle = _nameless(target.parent)
    if handle is None:
        with staged(target) as folder:
            made = folder / f"new{target.suffix}"
            yield made
            if target.exists():
                os.chmod(made, target.stat().st_mode & 0o777)
            os.replace(made, target)
        return
    try:
        made = Path(f"/proc/self/fd/{handle}")
        yield made
        _name(made, handle, target)
    finally:
        os.close(handle)


def _nameless(folder: Path) -> int | None:
    """A new file in a folder, without a name; None where the system or the file system has none."""
    if not hasattr(os, "O_TMPFILE") or not LOCKS:
        return None
    try:
        handle = os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOSYS):
            return None
        raise
    if os.path.exists(f"/proc/self/fd/{handle}"):
        return handle
    os.close(handle)
    return None


def _name(made: Path, handle: int, target: Path) -> None:
    """Give a file without a name its own; over a file that is there by way of a name that leftovers have."""
    import fcntl

    def link(name: Path) -> None:
        os.link(made, name, src_dir_fd=handle)  # with a descriptor the call is linkat, which follows the first name

    if not target.exists():
        with suppress(FileExistsError):
            return link(target)
    os.fchmod(handle, target.stat().st_mode & 0o777)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # so that nobody takes it for a leftover
    remove_leftovers(target.parent)
    passing = target.with_name(f".{target.name[:40]}.{secrets.token_hex(4)}{PARTIAL}")
    link(passing)
    try:
        os.replace(passing, target)
    except OSError:
        passing.unlink(missing_ok=True)
        raise


def publish(made: Path, target: Path) -> None:
    """Give what was made its name: a file takes the place of another, a folder only that of an empty one."""
    if made.is_dir():
        os.rename(made, target)
    else:
        os.replace(made, target)


def check_parent(target: Path) -> None:
    """Raises `FileError` where there is no folder for this name."""
    if not target.absolute().parent.is_dir():
        raise FileError(f'there is no folder "{target.parent}" to write to', str(target))


def make_folder(path: Path, parents: bool = False) -> None:
    """Make a folder where there is none; with `parents` those it is in too. Raises `FileError`."""
    if not parents:
        check_parent(path)
    try:
        path.mkdir(parents=parents, exist_ok=True)
    except OSError as error:
        raise FileError(f"the folder cannot be made: {reason(error)}", str(path)) from None


def check_target(target: Path) -> None:
    """Raises `FileError` where nothing can take this name: told before any work."""
    check_parent(target)
    if target.suffix == ".tar":
        if target.exists() and not target.is_file():
            raise FileError("cannot write: what stands there is no file", str(target))
    elif target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise FileError("is there already; want a new name, or an empty folder", str(target))


def remove_leftovers(folder: Path) -> list[Path]:
    """Remove what killed processes left in a folder; returns what was removed."""
    removed = []
    for found in folder.glob(f".*{PARTIAL}"):
        lock = _locked(found)
        if lock is not None:
            if found.is_dir():
                shutil.rmtree(found, ignore_errors=True)
            else:
                found.unlink(missing_ok=True)
            os.close(lock)
            removed.append(found)
    return removed


def _make(parent: Path, name: str) -> tuple[Path, int | None]:
    while True:
        folder = Path(tempfile.mkdtemp(PARTIAL, f".{name[:40]}.", parent))
        lock = _locked(folder)
        if folder.is_dir() and (lock is not None or not LOCKS):
            return folder, lock
        with suppress(OSError):  # another process took it for a leftover, just then
            folder.rmdir()


def _locked(folder: Path) -> int | None:
    """The folder's lock as an open file; None where another process has it."""
    if not LOCKS:
        return None
    import fcntl

    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
        except OSError:
            os.close(handle)
    return None
