"""The published error table, measured again: which weights are there, what they give, what is missing."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caffe2py.errors import CaffeError, FileError
from caffe2py.evaluate.evaluation import HEADER, Evaluation, Progress, evaluate, write_rows
from caffe2py.evaluate.releases.identification import find_release
from caffe2py.evaluate.releases.models import prototxt
from caffe2py.evaluate.releases.registry import Pair, Release, releases
from caffe2py.evaluate.results.predictions import ROWS
from caffe2py.evaluate.results.shards import current
from caffe2py.graph import Graph
from caffe2py.graph.load import load
from caffe2py.proto.disk.files import keep_others
from caffe2py.proto.weights.layers import Weights
from caffe2py.proto.weights.read import read_weights

Path_ = str | os.PathLike[str]


@dataclass(frozen=True)
class Row:
    """One release: its weights where they are there, and what was measured. `notes` say what the reader must know."""

    release: Release
    file: str | None = None
    result: Evaluation | None = None
    notes: tuple[str, ...] = ()

    @property
    def measured(self) -> Pair | None:
        """Top-1 and top-5 error in per cent."""
        return (self.result.top1.percent, self.result.top5.percent) if self.result else None

    @property
    def difference(self) -> Pair | None:
        """Measured less published, in points."""
        if not self.measured or not self.release.published:
            return None
        return self.measured[0] - self.release.published[0], self.measured[1] - self.release.published[1]

    def to_json(self) -> dict[str, Any]:
        """Everything in plain values."""
        return {
            "model": self.release.name,
            "file": self.file,
            "published": self.release.published,
            "measured": self.measured,
            "difference": self.difference,
            "others": dict(self.release.others or {}),
            "result": self.result.to_json() if self.result else None,
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Table:
    """The rows, in the order of the published table."""

    rows: tuple[Row, ...]

    def to_json(self) -> list[dict[str, Any]]:
        """Everything in plain values."""
        return [row.to_json() for row in self.rows]


def table(
    weights: Path_,
    images: Path_,
    labels: Path_ | None = None,
    *,
    models: Sequence[str] = (),
    registry: Sequence[Path_] = (),
    out: Path_ | None = None,
    progress: Callable[[str], Progress | None] | None = None,
    **settings: Any,
) -> Table:
    """Evaluate every release whose caffemodel is in the folder `weights`, and say of the others where they came from.

    A caffemodel is known by size and hash; where none is, by the name and the layers of its net, which is noted.
    `models` are the releases wanted (all whose net is at hand), `registry` holds more of them; `progress` is told
    each model's name; `settings` are those of `evaluate`. `out` gets a folder for each model, and `results.csv`.
    """
    known = {release.name: release for release in releases(registry) if release.prototxt}
    unknown = [name for name in models if name not in known]
    if unknown:
        raise CaffeError(f'no release "{unknown[0]}" with a net at hand; want one of {", ".join(known)}')
    folder = Path(weights)
    if not folder.is_dir():
        raise FileError("no such folder; want the folder of the caffemodels", str(weights))
    wanted = [known[name] for name in models or known]
    found = find_weights(folder, wanted)
    if out is not None:
        keep_others(Path(out) / ROWS, HEADER.encode())
    rows = []
    for release in wanted:
        row = found[release.name]
        if row.file is not None:
            row = _measured(row, release, images, labels, out, progress, settings)
        rows.append(row)
    if out is not None and current().number == 0:
        write_rows(Path(out) / ROWS, [row.result for row in rows if row.result])
    return Table(tuple(rows))


def _measured(
    row: Row,
    release: Release,
    images: Path_,
    labels: Path_ | None,
    out: Path_ | None,
    progress: Callable[[str], Progress | None] | None,
    settings: dict[str, Any],
) -> Row:
    assert row.file is not None
    result = evaluate(
        _graph(release, Path(row.file)),
        images,
        labels,
        release=release,
        out=None if out is None else Path(out) / release.name,
        progress=progress(release.name) if progress else None,
        **settings,
    )
    return Row(release, row.file, result, (*row.notes, *result.notes))


def find_weights(folder: Path, wanted: Sequence[Release]) -> dict[str, Row]:
    """For each release a row that names its caffemodel, or says where it came from."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name.endswith((".caffemodel", ".caffemodel.h5")))
    exact: dict[str, Path] = {}
    rest = []
    for file in files:
        release, _ = find_release(file, wanted)
        if release is None:
            rest.append(file)
        else:
            exact.setdefault(release.name, file)
    rows = {name: Row(release, str(exact[name])) for release in wanted if (name := release.name) in exact}
    for release in wanted:
        if release.name not in rows:
            rows[release.name] = _by_name_or_layers(release, rest)
    return rows


def _by_name_or_layers(release: Release, files: Sequence[Path]) -> Row:
    """The file whose name or net's name is the release's, else one with just its layers; each must fit its net."""
    notes = []
    nets: list[tuple[Path, Weights]] = []
    for file in files:
        try:
            nets.append((file, read_weights(file)))
        except CaffeError as error:
            notes += [str(error)] if _stem(file) == release.name else []
    named = [pair for pair in nets if release.net == pair[1].name or _stem(pair[0]) == release.name]
    for file, weights in (*named, *(pair for pair in nets if pair not in named)):
        try:
            graph = _graph(release, file)
        except CaffeError as error:
            notes += [f"{file.name} does not fit: {error}"] if (file, weights) in named else []
            continue
        if {node.name for node in graph.nodes if node.weights} == set(weights.by_name):
            original = release.file("caffemodel")
            why = "other size or hash than the original" if original and original.hashes() else "no original hash known"
            how = "name" if (file, weights) in named else "layers"
            return Row(release, str(file), notes=(f"{file.name}: taken for {release.name} by the net's {how}; {why}",))
    return Row(release, notes=(*notes, _missing(release)))


def _missing(release: Release) -> str:
    file = release.file("caffemodel")
    if file is None:
        return f"missing; from {release.source}"
    size = f" ({file.size:,} bytes)" if file.size else ""
    return f"missing: {file.name}{size}, from {file.source or release.source}"


def _stem(path: Path) -> str:
    return path.name.removesuffix(".h5").removesuffix(".caffemodel")


def _graph(release: Release, weights: Path) -> Graph:
    name = release.prototxt or ""
    return load(Path(name) if name.endswith(".prototxt") else prototxt(name), weights)
