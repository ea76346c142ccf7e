"""Reading a bundle, whether it is a folder or a tar."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from caffe2py.archive.bundles.bag import unsafe
from caffe2py.archive.bundles.hashes import Hashes, hash_range
from caffe2py.archive.bundles.tar import Member, read_tar, tar_faults
from caffe2py.errors import FileError
from caffe2py.proto.disk.damage import reason
from caffe2py.proto.disk.digests import pieces

LARGEST_TEXT = 1 << 26  # manifests and metadata; what is larger is none
HISTORY = "data/history.json"


@dataclass(frozen=True)
class Bundle:
    """The files of a bundle by their path in it, with their sizes. `faults` tells what is wrong with its layout."""

    path: Path
    name: str
    sizes: Mapping[str, int]
    faults: tuple[str, ...] = ()
    members: Mapping[str, Member] = field(default_factory=dict, repr=False)  # of a tar

    def place(self, name: str) -> tuple[Path, int]:
        """The file that holds a file's bytes, and where they begin in it. Raises `FileError`."""
        if name not in self.sizes:
            raise FileError(f"has no {name}", str(self.path))
        return (self.path, self.members[name].start) if self.members else (self.path / name, 0)

    def open(self, name: str) -> BinaryIO:
        """The file at the beginning of its bytes; in a tar, others' bytes follow. Raises `FileError`."""
        path, start = self.place(name)
        try:
            file = open(path, "rb")  # noqa: SIM115, the caller closes it
            file.seek(start)
        except OSError as error:
            raise FileError(reason(error), f"{self.path}: {name}") from None
        return file

    def read(self, name: str) -> bytes:
        """A text-sized file whole."""
        if self.sizes.get(name, 0) > LARGEST_TEXT:
            raise FileError(f"{name} has {self.sizes[name]} bytes; want a text", str(self.path))
        with self.open(name) as file:
            return file.read(self.sizes[name])

    def read_json(self, name: str) -> dict[str, Any]:
        """A JSON object. Raises `FileError` where it is none."""
        try:
            found = json.loads(self.read(name))
        except (ValueError, RecursionError) as error:
            raise FileError(f"{name} is no JSON ({error})", str(self.path)) from None
        if not isinstance(found, dict):
            raise FileError(f"{name} is no JSON object", str(self.path))
        return found

    def hashes(self, name: str) -> Hashes:
        """The names of a file's content."""
        path, start = self.place(name)
        return hash_range(path, start, self.sizes[name])

    def copy(self, name: str, target: Path) -> None:
        """Write a file's bytes to another place."""
        with self.open(name) as file, open(target, "wb") as out:
            for piece in pieces(file, self.sizes[name]):
                out.write(piece)


def open_bundle(path: str | os.PathLike[str]) -> Bundle:
    """The bundle in a folder or a tar. Raises `FileError` where there is none."""
    place = Path(path)
    if not place.exists():
        raise FileError("no such file or directory", str(path))
    found = _folder(place) if place.is_dir() else _tar(place)
    if "bagit.txt" not in found.sizes and not found.faults:
        raise FileError("is no bundle: it has no bagit.txt", str(path))
    return found


def _folder(path: Path) -> Bundle:
    sizes: dict[str, int] = {}
    faults: list[str] = []

    def walk(folder: Path, prefix: str) -> int:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        for entry in entries:
            name = prefix + entry.name
            if fault := unsafe(name):
                faults.append(fault)
            elif entry.is_dir(follow_symlinks=False):
                if not walk(Path(entry.path), f"{name}/"):
                    faults.append(f'folder "{name}" is empty')
            elif entry.is_file(follow_symlinks=False):
                sizes[name] = entry.stat(follow_symlinks=False).st_size
            else:
                faults.append(f'"{name}" is a link or no plain file')
        return len(entries)

    try:
        walk(path, "")
    except OSError as error:
        raise FileError(reason(error), str(error.filename or path)) from None
    except RecursionError:
        raise FileError("has too many folders in each other", str(path)) from None
    return Bundle(path, path.name, sizes, tuple(faults))


def _tar(path: Path) -> Bundle:
    members = read_tar(path)
    faults = list(tar_faults(path, members))
    top = members[0].name.partition("/")[0] if members else ""
    found: dict[str, Member] = {}
    for member in members:
        head, slash, name = member.name.partition("/")
        if fault := unsafe(member.name):
            faults.append(fault)
        elif not slash or head != top:
            faults.append(f'"{member.name}" is not in the folder "{top}"')
        elif name in found:
            faults.append(f'"{name}" is there twice')
        else:
            found[name] = member
    return Bundle(path, top, {name: m.size for name, m in found.items()}, tuple(faults), found)
