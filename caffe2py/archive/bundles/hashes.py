"""The names that content has for ever: sha256, sha512, and the Software Heritage ID."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from caffe2py.proto.disk.digests import GIT, digests, range_digests

ALGORITHMS = ("sha256", "sha512", GIT)


@dataclass(frozen=True)
class Hashes:
    """A content's size in bytes and its names. `swhid` is swh:1:cnt: and the hash that git gives the content."""

    size: int
    sha256: str
    sha512: str
    swhid: str


def hash_range(path: Path, start: int, size: int) -> Hashes:
    """The names of a part of a file. Raises `FileError` where the file ends before."""
    return _hashes(size, range_digests(path, ALGORITHMS, start, size))


def hash_file(path: Path) -> Hashes:
    """The names of a file's content."""
    return _hashes(path.stat().st_size, digests(path, ALGORITHMS))


def _hashes(size: int, found: Mapping[str, str]) -> Hashes:
    return Hashes(size, found["sha256"], found["sha512"], f"swh:1:cnt:{found[GIT]}")
