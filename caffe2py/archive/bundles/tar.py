"""Plain tar in one form alone: files sorted by name, fixed times and owners, so that the same files are the same bytes.

Reading it strictly is writing it again in thought: what each header and every byte of padding must be is known.
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from caffe2py.errors import FileError
from caffe2py.proto.disk.damage import damage_told
from caffe2py.proto.disk.tars import members

BLOCK, RECORD = tarfile.BLOCKSIZE, tarfile.RECORDSIZE
PIECE = 1 << 18  # stays in the processor's cache on its way


@dataclass(frozen=True)
class Member:
    """A file in a tar: its name, where its bytes begin, and how many they are."""

    name: str
    start: int
    size: int
    mtime: int = 0


def move_into_tar(path: Path, files: Mapping[str, Path], mtime: int = 0) -> None:
    """Write files under their names, sorted, and remove each that is in: the disk never holds all of them twice.

    `mtime` is the time (seconds since 1970) that all of them get.
    """
    with open(path, "wb") as tar:
        for name, source in sorted(files.items()):
            with open(source, "rb") as file:
                size = source.stat().st_size
                tar.write(_header(name, size, mtime))
                shutil.copyfileobj(file, tar, PIECE)
                tar.write(bytes(-size % BLOCK))
            source.unlink()
        tar.write(bytes(2 * BLOCK))
        tar.write(bytes(-tar.tell() % RECORD))


def read_tar(path: Path) -> list[Member]:
    """The files of a tar. Raises `FileError` for what is none, and for links, devices and whatever else is no file."""
    found = []
    for each in members(path):
        if each.isdir():
            continue
        if not each.isreg() or each.issparse():
            raise FileError(f'"{each.name}" is a link or no plain file; a bundle has plain files alone', str(path))
        with damage_told(path, "plain tar"):
            found.append(Member(each.name, each.offset_data, each.size, int(each.mtime)))
    return found


def tar_faults(path: Path, members: Iterable[Member]) -> Iterator[str]:
    """Where a tar is not the bytes that `move_into_tar` makes of its files; the files' own bytes are not looked at."""
    with open(path, "rb") as tar:
        at = 0
        previous, mtime = "", None
        for member in members:
            mtime = member.mtime if mtime is None else mtime
            head = _header(member.name, member.size, mtime)
            if tar.read(len(head)) != head or at + len(head) != member.start:
                yield f'the header of "{member.name}" is not as it was written'
                return
            if member.name <= previous:
                yield f'"{member.name}" stands behind "{previous}"; the files are sorted by name'
            previous = member.name
            tar.seek(member.size, 1)
            padding = -member.size % BLOCK
            if tar.read(padding) != bytes(padding):
                yield f'the padding behind "{member.name}" is not empty'
            at = tar.tell()
        wanted = 2 * BLOCK + -(at + 2 * BLOCK) % RECORD
        if tar.read(wanted + 1) != bytes(wanted):
            yield "what follows the last file is not the empty end of a tar"


def _header(name: str, size: int, mtime: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, mtime, 0o644
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
