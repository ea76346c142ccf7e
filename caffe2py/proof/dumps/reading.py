"""Reading activations that were recorded in Caffe: of every layer, of every blob, whole or sampled.

A dump is never held in memory: it is opened, and each value is read when it is asked for. What is read:

- `caffe-activations/1`, whole or sampled (see `writing`): every top as it stood right after its layer ran;
- an `.h5` or `.npz` of {name: array}, and a folder of `.npy` files: blobs as they stand after a whole forward, or the
  outputs of layers by name, as OpenCV gives them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe2py.errors import FileError
from caffe2py.layers.base import Shape, count
from caffe2py.proof.dumps.sample import STATISTICS, Sample, Top
from caffe2py.proto.disk import numpy_files
from caffe2py.proto.disk.damage import damage_told, reason
from caffe2py.proto.disk.pipes import settled
from caffe2py.proto.hdf5.safe import members, open_safely, read_array
from caffe2py.proto.hdf5.trial import MAGIC

if TYPE_CHECKING:
    import h5py

FORMAT = "caffe-activations/1"
ATTRIBUTES = "caffe-activations.json"  # the array of an .npz that has all that is no array
MOST_TOPS = 10_000  # of a layer
WHAT = "dump"


@dataclass(frozen=True)
class Stored:
    """A value in an open dump, not read yet."""

    read: Callable[[], Top]
    sampled: bool = False


@dataclass(frozen=True)
class Record:
    """One layer's tops as recorded. `bottoms` and `blobs` are empty where the dump does not name them."""

    name: str
    type: str
    bottoms: tuple[str, ...]
    blobs: tuple[str, ...]
    tops: tuple[Stored, ...]


@dataclass(frozen=True)
class LayerDump:
    """An open `caffe-activations/1`: its inputs, and its layers in the order they ran."""

    file: str
    records: tuple[Record, ...]
    inputs: Mapping[str, Callable[[], np.ndarray]]
    net: str = ""
    prototxt: str = ""
    caffemodel_sha256: str = ""
    phase: str = ""


@dataclass(frozen=True)
class NamedDump:
    """An open collection of arrays by name. Whether the names are those of blobs or of layers, the net tells."""

    file: str
    arrays: Mapping[str, Callable[[], np.ndarray]]
    loose: bool = False  # names come from file names, in which "/" may have become another sign


Dump = LayerDump | NamedDump


@contextmanager
def open_dump(path: str | os.PathLike[str]) -> Iterator[Dump]:
    """The dump in a file or folder, told by what is in it, not by its suffix.

    Raises `FileError` for what is no dump, for files that point at others, and for sizes that the file does not hold.
    """
    path = place = settled(path)
    if Path(path).is_dir():
        yield NamedDump(place, numpy_files.folder(Path(path)), loose=True)
        return
    try:
        with open(path, "rb") as file:
            head = file.read(len(MAGIC))
    except OSError as error:
        raise FileError(reason(error), place) from None
    if head == MAGIC:
        with open_safely(path) as h5:
            yield _hdf5(h5, place)
    elif head.startswith(b"PK"):
        with numpy_files.archive(Path(path)) as arrays:
            yield _layers_in_archive(arrays, place)
    else:
        wish = "want caffe-activations/1 (.h5), an .npz or .h5 of {blob: array}, or a folder of .npy files"
        raise FileError(f"is no dump of activations; {wish}", place)


def _hdf5(file: h5py.File, place: str) -> Dump:
    with damage_told(place, WHAT):
        format_ = _text(file.attrs.get("format", ""))
        if format_ == FORMAT:
            return _activations(file, place)
        if format_:
            raise FileError(f'has format "{format_[:60]}"; want "{FORMAT}"', place)
        return NamedDump(place, dict(_datasets(file)))


def _activations(file: h5py.File, place: str) -> LayerDump:
    for group in ("input", "layer"):
        if not hasattr(file.get(group), "items"):
            raise FileError(f"has no group /{group}; want it in {FORMAT}", place)
    layers = file["layer"]
    attrs = {key: _text(file.attrs.get(key, "")) for key in ("net", "prototxt", "caffemodel_sha256", "phase")}
    records = tuple(_record(layers[key], place) for key in sorted(layers))
    if not records:
        raise FileError("holds no layer", place)
    if hasattr(file.get("output"), "dtype") and len(records[-1].tops) == 1 and records[-1].tops[0].sampled:
        records = (*records[:-1], replace(records[-1], tops=(_all_of(records[-1].tops[0], file["output"]),)))
    return LayerDump(place, records, dict(_datasets(file["input"])), **attrs)


def _record(group: Any, place: str) -> Record:
    if not hasattr(group, "items") or "name" not in group.attrs:
        raise FileError(f'"{group.name}" is no layer: it has no name', place)
    keys = [f"top{i}" for i in range(min(len(group), MOST_TOPS))]
    if sorted(group) != sorted(keys):
        raise FileError(f'"{group.name}" holds {", ".join(sorted(group)[:5])}; want {", ".join(keys[:5])}', place)
    bottoms, blobs = (_names(group, key, place) for key in ("bottoms", "tops"))
    if blobs and len(blobs) != len(keys):
        raise FileError(f'"{group.name}" names {len(blobs)} tops and holds {len(keys)}', place)
    tops = tuple(_reader(group[key], place) for key in keys)
    return Record(_text(group.attrs["name"]), _text(group.attrs.get("type", "")), bottoms, blobs, tops)


def _names(group: Any, key: str, place: str) -> tuple[str, ...]:
    try:
        names = json.loads(_text(group.attrs.get(key, "[]")))
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
        raise FileError(f'"{group.name}" has {key} that are no JSON list of names', place)
    return tuple(names)


def _reader(stored: Any, place: str) -> Stored:
    if hasattr(stored, "items"):
        return Stored(lambda: _sample(stored, place), sampled=True)
    return Stored(lambda: read_array(stored))


def _sample(group: Any, place: str) -> Sample:
    with damage_told(place, f'sample "{group.name}"'):
        shape = tuple(int(d) for d in np.ravel(group.attrs["shape"]))
        said = {key: float(group.attrs[key]) for key in STATISTICS}
        index, value = read_array(group["index"]), read_array(group["value"])
    return _sample_of(shape, said, index, value, group.name, place)


def _sample_of(
    shape: Shape, said: Mapping[str, float], index: np.ndarray, value: np.ndarray, name: str, place: str
) -> Sample:
    """A sample, once it is known that it can be one."""
    if len(index.ravel()) != len(value.ravel()):
        raise FileError(f'"{name}" has {index.size} indices for {value.size} values', place)
    in_range = min(shape, default=0) >= 0 and (not index.size or 0 <= index.min() <= index.max() < count(shape))
    if index.dtype.kind not in "iu" or not in_range:
        raise FileError(f'"{name}" has an index outside its shape {shape}', place)
    return Sample(shape, index.ravel().astype(np.int64), value.ravel(), **said)


def _all_of(sampled: Stored, output: Any) -> Stored:
    """The last top of a sampled dump, which is there whole beside its sample: a sample of every value."""

    def read() -> Top:
        top, value = sampled.read(), read_array(output).ravel()
        if not isinstance(top, Sample) or value.size != count(top.shape):
            return top
        return replace(top, index=np.arange(value.size), value=value)

    return Stored(read, sampled=True)


def _datasets(group: Any, prefix: str = "") -> Iterator[tuple[str, Callable[[], np.ndarray]]]:
    """Every dataset by its path below the group: blob names may have "/" in them."""
    for key, member in members(group):
        name = prefix + (key.decode("utf-8", "surrogateescape") if isinstance(key, bytes) else key)
        if hasattr(member, "items"):
            yield from _datasets(member, f"{name}/")
        else:
            yield name, partial(read_array, member)


def _layers_in_archive(arrays: Mapping[str, Callable[[], np.ndarray]], place: str) -> Dump:
    """The `.npz` form of `caffe-activations/1`, which the recorder writes where there is no h5py; else plain arrays."""
    if ATTRIBUTES not in arrays:
        return NamedDump(place, arrays)
    return npz_activations(arrays, place)


def npz_activations(arrays: Mapping[str, Callable[[], np.ndarray]], place: str) -> LayerDump:
    """Attributes are one JSON text in the array ATTRIBUTES; arrays have the names they have in HDF5."""
    with damage_told(place, WHAT):
        said = json.loads(arrays[ATTRIBUTES]().astype(np.uint8).tobytes().decode("utf-8"))
        if said["format"] != FORMAT:
            raise FileError(f'has format "{said["format"]}"; want "{FORMAT}"', place)
        records = tuple(_archived_record(arrays, i, layer, place) for i, layer in enumerate(said["layers"]))
        fed = {blob: arrays[member_name(f"input/{blob}")] for blob in said["inputs"]}
        attrs = {key: str(said.get(key, "")) for key in ("net", "prototxt", "caffemodel_sha256", "phase")}
    return LayerDump(place, records, fed, **attrs)


def _archived_record(arrays: Mapping[str, Callable[[], np.ndarray]], index: int, said: Any, place: str) -> Record:
    name, type_, bottoms, tops, recorded = (said[key] for key in ("name", "type", "bottoms", "tops", "recorded"))
    words = [name, type_, *bottoms, *tops]
    if not all(isinstance(word, str) for word in words) or len(tops) != len(recorded):
        raise FileError(f"layer {index} has names that are no texts, or names {len(tops)} of its tops", place)
    made = tuple(_archived(arrays, f"layer/{index:04d}/top{k}", top, place) for k, top in enumerate(recorded))
    return Record(name, type_, tuple(bottoms), tuple(tops), made)


def member_name(name: str) -> str:
    """A name as zip files have it: bytes that were no UTF-8, and NUL, which would end it, as escapes."""
    return name.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _archived(
    arrays: Mapping[str, Callable[[], np.ndarray]], name: str, said: Mapping[str, Any] | None, place: str
) -> Stored:
    """One top of an archive: an array, or with statistics said about it, a sample."""
    if not said:
        return Stored(arrays[name])
    index, value = arrays[f"{name}/index"], arrays[f"{name}/value"]
    shape, statistics = tuple(int(d) for d in said["shape"]), {key: float(said[key]) for key in STATISTICS}
    return Stored(lambda: _sample_of(shape, statistics, index(), value(), name, place), sampled=True)


def _text(value: Any) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
