"""The registry of known releases: `data/releases.toml`, and files of the same form that users keep."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from caffe2py.errors import FileError
from caffe2py.evaluate.labels.classes import ORDERS
from caffe2py.proto.disk.damage import damage_told
from caffe2py.proto.disk.digests import digest
from caffe2py.proto.disk.files import read_text

HASHES = ("sha1", "sha256", "sha384", "sha512")
Pair = tuple[float, float]  # top-1 and top-5 error in per cent


@dataclass(frozen=True)
class ReleasedFile:
    """A file of a release, with what is known of it."""

    kind: str
    name: str
    size: int | None = None
    source: str | None = None
    sha1: str | None = None
    sha256: str | None = None
    sha384: str | None = None
    sha512: str | None = None

    def hashes(self) -> dict[str, str]:
        """The hashes on record, by algorithm."""
        return {name: value.lower() for name in HASHES if (value := getattr(self, name))}

    def is_file(self, path: Path) -> bool:
        """Is that file this one, by size and every hash on record? Without a hash nothing is."""
        known = self.hashes()
        if not known or (self.size is not None and path.stat().st_size != self.size):
            return False
        return all(digest(path, name) == value for name, value in known.items())


@dataclass(frozen=True)
class Release:
    """A net that was published with its weights, and what is known about it."""

    name: str
    files: tuple[ReleasedFile, ...] = ()
    title: str | None = None
    net: str | None = None  # the name inside its caffemodel
    prototxt: str | None = None  # the net of that name that comes with caffe2py, or a file *.prototxt
    source: str | None = None
    licence: str | None = None
    class_order: str | None = None
    published: Pair | None = None
    others: Mapping[str, Pair] | None = None
    mean: tuple[float, ...] | None = None
    resize: str | None = None

    def file(self, kind: str) -> ReleasedFile | None:
        """The release's file of a kind."""
        return next((file for file in self.files if file.kind == kind), None)


def releases(extra: Sequence[str | os.PathLike[str]] = ()) -> tuple[Release, ...]:
    """The users' releases, then those that ship; a user's takes the place of one of the same name."""
    mine = [release for path in extra for release in read_registry(path)]
    names = {release.name for release in mine}
    return (*mine, *(release for release in shipped() if release.name not in names))


@cache
def shipped() -> tuple[Release, ...]:
    """The releases that caffe2py knows."""
    file = resources.files("caffe2py.evaluate").joinpath("data", "releases.toml")
    return _parse(file.read_text(encoding="utf-8"), "releases.toml")


def read_registry(path: str | os.PathLike[str]) -> tuple[Release, ...]:
    """Read a registry. Raises FileError that names the entry and the key that is not understood."""
    with damage_told(path, "registry"):
        found = _parse(read_text(path), os.fspath(path))
        return tuple(replace(r, prototxt=_beside(path, r.prototxt)) for r in found)


def _beside(registry: str | os.PathLike[str], prototxt: str | None) -> str | None:
    """A prototxt's file from the registry's folder; a plain name is a net that comes with caffe2py."""
    if prototxt and prototxt.endswith(".prototxt"):
        return str(Path(registry).parent / prototxt)
    return prototxt


def _parse(text: str, file: str) -> tuple[Release, ...]:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FileError(f"no TOML: {error}", file) from None
    entries = content.get("release")
    if set(content) != {"release"} or not isinstance(entries, list):
        raise FileError("want [[release]] entries and nothing else", file)
    return tuple(_release(entry, i, file) for i, entry in enumerate(entries, 1))


def _release(entry: dict[str, Any], index: int, file: str) -> Release:
    where = f'release {index} "{entry.get("name", "")}"'
    entry = dict(entry)
    made = [_filled(ReleasedFile, each, f"{where}, file {j}", file) for j, each in enumerate(entry.pop("file", []), 1)]
    entry["files"] = tuple(made)
    for key in ("published", "mean"):
        if key in entry:
            entry[key] = _numbers(entry[key], f"{where}: {key}", file)
    others = entry.get("others", {})
    entry["others"] = {who: _numbers(pair, f"{where}: others, {who}", file) for who, pair in others.items()}
    if any(len(pair) != 2 for pair in [entry.get("published", (0, 0)), *entry["others"].values()]):
        raise FileError(f"{where}: an error is [top-1, top-5] in per cent", file)
    if entry.get("class_order") not in (None, *ORDERS):
        raise FileError(f'{where}: class_order is "{entry["class_order"]}"; want {" or ".join(ORDERS)}', file)
    release: Release = _filled(Release, entry, where, file)
    return release


def _filled(cls: Any, entry: Mapping[str, Any], where: str, file: str) -> Any:
    known = {f.name: f for f in fields(cls)}
    unknown = sorted(set(entry) - set(known))
    if unknown:
        raise FileError(f'{where}: no key "{unknown[0]}"; want {", ".join(known)}', file)
    missing = [name for name, f in known.items() if f.default is MISSING and name not in entry]
    if missing:
        raise FileError(f'{where}: has no "{missing[0]}"', file)
    return cls(**entry)


def _numbers(value: Any, where: str, file: str) -> Any:
    if not isinstance(value, list) or not all(isinstance(v, (int, float)) for v in value):
        raise FileError(f"{where}: want a list of numbers", file)
    return tuple(float(v) for v in value)
