"""Trying an HDF5 file out in a process that can be given up.

Of some damaged files libhdf5 reads the same piece for ever, deaf to Ctrl-C, and of some it crashes. So a process of its
own goes through all of a file but its numbers first (``visit``). It gets so much time of the processor as the file's
size can explain. It stays for the next file, and starts while this process is still loading what it needs.
"""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from caffe2py.errors import FileError
from caffe2py.proto.disk.files import says

if TYPE_CHECKING:
    import subprocess

MAGIC = b"\x89HDF\r\n\x1a\n"
Key = tuple[str, int, int]  # a state of a file
SECONDS = 2  # of the processor, and one more for each
BYTES = 4 << 20

_known: dict[Key, bool] = {}
_lock = Lock()


@dataclass
class _Visitor:
    """The process, and the files that it has been given and not answered yet."""

    process: subprocess.Popen[bytes]
    owner: int
    ready: bool = False
    given: list[Key] = field(default_factory=list)

    def give(self, key: Key) -> None:
        assert self.process.stdin is not None
        path, size, _ = key
        with suppress(OSError):  # it has died: `answer` finds out
            self.process.stdin.write(f"{os.fsencode(path).hex()} {SECONDS + size // BYTES}\n".encode())
            self.process.stdin.flush()
        self.given.append(key)

    def answer(self) -> tuple[Key, bool]:
        """The next file, and whether it was gone through. Where the process cannot even start, each file was."""
        assert self.process.stdout is not None
        self.ready = self.ready or self.process.stdout.readline() == b"ready\n"
        done = not self.ready or self.process.stdout.readline() == b"done\n"
        return self.given.pop(0), done


_visitor: _Visitor | None = None


def begin(path: str | os.PathLike[str]) -> None:
    """Start to try a file out in the background, if it is HDF5: ``passed`` has its answer the sooner."""
    if says(path, MAGIC, len(MAGIC)):
        with _lock, suppress(OSError):
            _begin(_key(path))


def passed(path: str | os.PathLike[str]) -> None:
    """Wait until a file was tried out. Raises FileError where libhdf5 crashes, or comes to no end."""
    try:
        key = _key(path)
    except OSError:
        return  # whoever opens it is told
    with _lock:
        _begin(key)
        while key not in _known and _visitor is not None:
            tried, _known[tried] = _visitor.answer()
            if not _known[tried]:
                _restart()
    if not _known.get(key, True):
        raise FileError("a damaged HDF5 file: libhdf5 crashes, or comes to no end", os.fspath(path))


def _key(path: str | os.PathLike[str]) -> Key:
    place = os.path.abspath(path).replace("/proc/self/", f"/proc/{os.getpid()}/")
    state = os.stat(place)
    return place, state.st_size, state.st_mtime_ns


def _begin(key: Key) -> None:
    if _visitor is None or _visitor.owner != os.getpid():
        _start()
    if _visitor is not None and key not in _known and key not in _visitor.given:
        _visitor.give(key)


def _start() -> None:
    """A process that finds what this one does. Where none can be started, files are opened without a trial."""
    global _visitor
    import subprocess  # here, so that a net can be shown without

    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    words = [sys.executable, "-P", "-m", "caffe2py.proto.hdf5.visit"]
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    try:
        process = subprocess.Popen(
            words, stdin=pipe, stdout=pipe, stderr=nowhere, env={**os.environ, "PYTHONPATH": paths}
        )
    except OSError:
        _visitor = None
    else:
        _visitor = _Visitor(process, os.getpid())
        atexit.register(_end, process)


def _restart() -> None:
    """Another process for what the one that died had still before it."""
    left = _visitor.given if _visitor is not None else []
    if _visitor is not None:
        _end(_visitor.process)
    _start()
    for key in left:
        _begin(key)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    with suppress(OSError):
        process.communicate()
