"""Which known release a file is, by size and hash; and what kind of file it is where it is none."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from caffe2py.errors import LINE, FileError, shown
from caffe2py.evaluate.releases.kinds import kind_of
from caffe2py.evaluate.releases.registry import Release, ReleasedFile, releases
from caffe2py.graph import Graph
from caffe2py.proto.disk.digests import digest
from caffe2py.proto.disk.pipes import settled


@dataclass(frozen=True)
class Identity:
    """What a file is. `release` is None where it is no known one; `notes` says what points to one."""

    file: str
    size: int
    sha384: str
    kind: str
    release: Release | None
    released_file: ReleasedFile | None
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Everything in plain values."""
        return asdict(self)

    def __str__(self) -> str:
        known = self.release
        lines = [
            f"{self.file}: {known.name + ', ' + (known.title or 'a known release') if known else 'no known release'}"
        ]
        facts: list[tuple[str, Any]] = [("kind", self.kind), ("bytes", f"{self.size:,}"), ("sha384", self.sha384)]
        if known:
            facts += [
                ("from", (self.released_file.source if self.released_file else None) or known.source),
                ("licence", known.licence),
                (
                    "published",
                    f"top-1 {known.published[0]} %, top-5 {known.published[1]} % error" if known.published else None,
                ),
                ("class order", known.class_order),
                ("mean (BGR)", ", ".join(f"{m:g}" for m in known.mean) if known.mean else None),
                ("resize", known.resize),
            ]
        lines += [f"  {what:12} {fact}" for what, fact in facts if fact is not None] + [f"  {n}" for n in self.notes]
        return "\n".join(shown(line, LINE) for line in lines)


def identify(path: str | os.PathLike[str], registry: Sequence[str | os.PathLike[str]] = ()) -> Identity:
    """Look a file up among the known releases and those of `registry`. Raises FileError where it cannot be read."""
    path = settled(path)
    file = Path(path)
    known = releases(registry)
    if file.is_dir():
        raise FileError("is a folder; want a file", str(path))
    sha384 = digest(file, "sha384")
    size = file.stat().st_size
    release, released = find_release(file, known)
    kind, net = kind_of(file)
    notes: list[str] = []
    if release is None:
        notes += [
            f"it has the size of {each.name} ({r.name}), and another hash: damaged, or saved again"
            for r in known
            for each in r.files
            if each.size == size
        ]
        named = [r.name for r in known if net and r.net == net]
        notes += [f"its net has the name of {named[0]}: the same net, trained on or saved again?"] if named else []
    return Identity(os.fspath(path), size, sha384, kind, release, released, tuple(notes))


def find_release(path: Path, known: Sequence[Release]) -> tuple[Release | None, ReleasedFile | None]:
    """The release and its file that this file is, by size and hash."""
    for release in known:
        for each in release.files:
            if each.is_file(path):
                return release, each
    return None, None


def release_of(graph: Graph, known: Sequence[Release]) -> tuple[Release | None, str | None]:
    """The release that a net belongs to, by its weights or else by its name; with a note where it is by name."""
    if graph.weights_file and (found := find_release(Path(graph.weights_file), known)[0]):
        return found, None
    for release in known:
        if release.net and release.net == graph.name:
            return release, f'taken for {release.name} by the name "{graph.name}"; its weights are not the known file'
    return None, None
