"""The names that content has for ever: sha256, sha512, and the Software Heritage ID, all from one reading."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from caffe2py.errors import FileError

PIECE = 1 << 22
SMALL = 1 << 20  # below this, threads cost more than they save


@dataclass(frozen=True)
class Hashes:
    """A content's size in bytes and its names. `swhid` is swh:1:cnt: and the hash that git gives the content."""

    size: int
    sha256: str
    sha512: str
    swhid: str


def hash_stream(file: BinaryIO, size: int) -> Hashes:
    """The names of the next `size` bytes of a file. Raises `FileError` where there are fewer."""
    git = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    made = (hashlib.sha256(), hashlib.sha512(), git)
    if size < SMALL:
        for piece in pieces(file, size):
            for each in made:
                each.update(piece)
    else:
        with ThreadPoolExecutor(len(made)) as pool:  # hashlib lets other threads run while it works
            for piece in pieces(file, size):
                list(pool.map(_update, made, [piece] * len(made)))
    sha256, sha512, sha1 = (each.hexdigest() for each in made)
    return Hashes(size, sha256, sha512, f"swh:1:cnt:{sha1}")


def hash_file(path: Path) -> Hashes:
    """The names of a file's content."""
    with open(path, "rb") as file:
        return hash_stream(file, path.stat().st_size)


def hash_bytes(data: bytes) -> Hashes:
    """The names of a content."""
    git = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False)
    sha256, sha512 = (hashlib.new(name, data).hexdigest() for name in ("sha256", "sha512"))
    return Hashes(len(data), sha256, sha512, f"swh:1:cnt:{git.hexdigest()}")


def _update(made: Any, piece: bytes) -> None:
    made.update(piece)


def pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The next `size` bytes of a file, a few megabytes at a time. Raises `FileError` where there are fewer."""
    left = size
    while left:
        piece = file.read(min(PIECE, left))
        if not piece:
            raise FileError(f"ends {left} bytes too early")
        left -= len(piece)
        yield piece
