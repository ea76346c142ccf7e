"""What people know about a model and its files do not say: source, authors, licence, citation, published results.

A TOML file has these keys, all of them optional:

    title = "SENet-154"
    description = "Winner of ILSVRC2017 classification"
    source = "https://github.com/hujie-frank/SENet"
    authors = ["Jie Hu", "Li Shen"]
    licence = "Apache-2.0"             # an SPDX name, or a sentence
    licence_file = "LICENSE"           # files are kept with the originals; paths are from the TOML file's folder
    labels = "synset_words.txt"        # a class a line, in the order of the net's outputs
    mean = "mean.binaryproto"
    citation = "@inproceedings{...}"   # BibTeX
    published_on = "2017-09-05"
    published = { "top-1 error, %" = 18.68, "top-5 error, %" = 4.47 }
"""

from __future__ import annotations

import datetime
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from caffe2py.errors import FileError
from caffe2py.evaluate.releases.registry import Release
from caffe2py.proto.disk.files import read_text

FILES = ("licence_file", "labels", "mean")
Result = str | int | float


@dataclass(frozen=True)
class Info:
    """What is known; "" or nothing where it is not. `known_from` says where what was not given was found."""

    title: str = ""
    description: str = ""
    source: str = ""
    authors: tuple[str, ...] = ()
    licence: str = ""
    licence_file: Path | None = None
    labels: Path | None = None
    mean: Path | None = None
    citation: str = ""
    published_on: str = ""
    published: Mapping[str, Result] = field(default_factory=dict)
    known_from: str = ""

    def files(self) -> dict[str, Path]:
        """The files to be kept with the originals, by what they are."""
        return {key: found for key in FILES if (found := getattr(self, key)) is not None}

    def given(self, other: Info) -> Info:
        """This, with what `other` says in its place."""
        return replace(self, **{f.name: value for f in fields(self) if (value := getattr(other, f.name))})


NOTHING_KNOWN = Info()


def read_info(path: str | os.PathLike[str]) -> Info:
    """Read a TOML file of the keys above. Raises `FileError` that names the key that is not understood."""
    place = os.fspath(path)
    try:
        found = tomllib.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise FileError(f"no TOML: {error}", place) from None
    wanted = [f.name for f in fields(Info) if f.name != "known_from"]
    made: dict[str, Any] = {}
    for key, value in found.items():
        if key not in wanted:
            raise FileError(f'no key "{key}"; want {", ".join(wanted)}', place)
        made[key] = _value(key, value, place)
        if key in FILES:
            made[key] = Path(path).parent / value
    return Info(**made)


def _value(key: str, value: Any, place: str) -> Any:
    if key == "authors":
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return tuple(value)
        raise FileError("authors: want a list of names", place)
    if key == "published":
        if isinstance(value, dict) and all(isinstance(each, Result) for each in value.values()):
            return value
        raise FileError('published: want a table of numbers or texts, such as { "top-1 error, %" = 18.68 }', place)
    if isinstance(value, datetime.date):
        value = value.isoformat()
    if not isinstance(value, str):
        raise FileError(f"{key}: want a text", place)
    return value


def info_of(release: Release) -> Info:
    """What the registry of known releases says."""
    errors = dict(zip(("top-1 error, %", "top-5 error, %"), release.published or (), strict=False))
    others = {
        f"top-1 and top-5 error by {who}, %": f"{one:g}, {five:g}"
        for who, (one, five) in (release.others or {}).items()
    }
    return Info(
        title=release.name,
        description=release.title or "",
        source=release.source or "",
        licence=release.licence or "",
        published={**errors, **others},
        known_from=f'release "{release.name}" in the registry of caffe2py',
    )
