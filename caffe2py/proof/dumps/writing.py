"""Writing `caffe-activations/1`: every layer's tops as they stood right after it ran, whole or sampled.

HDF5; attributes format, net, phase, prototxt, caffemodel_sha256; `input/BLOB`; `layer/NNNN` with attributes name, type,
bottoms and tops (JSON lists), and a dataset top0, top1 ... for each top. Sampled, a top is a group instead: attributes
shape, mean, std, min, max, l2 (of all values); datasets index (flat, C order) and value.

Or an `.npz` of arrays by these same names, in which one JSON text, the array `caffe-activations.json`, has all that is
an attribute in HDF5; the same values make the same bytes.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from caffe2py import arguments
from caffe2py.errors import CaffeError
from caffe2py.proof.dumps.reading import ATTRIBUTES, FORMAT, member_name
from caffe2py.proof.dumps.sample import STATISTICS, Sample, Top, statistics_of
from caffe2py.proto.disk.files import written_whole
from caffe2py.proto.hdf5.safe import new_hdf5


class Store(Protocol):
    """A file format's way to hold a dump."""

    def say(self, **attrs: str) -> None: ...

    def input(self, blob: str, array: np.ndarray) -> None: ...

    def layer(self, number: int, said: Mapping[str, Any], tops: Sequence[Top]) -> None: ...


@dataclass
class DumpWriter:
    """An open dump. Layers are written in the order they run; `samples` keeps so many values of each top at most."""

    store: Store
    samples: int | None = None
    layers: int = 0

    def say(self, **attrs: str) -> None:
        """Attributes of the whole dump."""
        self.store.say(**attrs)

    def input(self, blob: str, array: np.ndarray) -> None:
        """What the net was fed: always whole."""
        self.store.input(blob, array)

    def layer(
        self, name: str, type_: str, bottoms: Sequence[str], tops: Sequence[str], arrays: Sequence[np.ndarray]
    ) -> None:
        """One layer that ran, with the blobs it reads and makes, and its tops."""
        said = {"name": name, "type": type_, "bottoms": list(bottoms), "tops": list(tops)}
        k = self.samples
        held = [a if k is None else take_sample(a, k, f"{name}/{i}") for i, a in enumerate(arrays)]
        self.store.layer(self.layers, said, held)
        self.layers += 1


@contextmanager
def write_dump(path: str | os.PathLike[str], samples: int | None = None, **attrs: str) -> Iterator[DumpWriter]:
    """A dump to write, an `.npz` where that is its suffix, else HDF5; it appears once the block has ended well.

    `attrs` are attributes of the whole dump. Raises `FileError` where it cannot be written.
    """
    samples = None if samples is None else arguments.whole("samples", samples, 1)
    opened = _npz if Path(path).suffix == ".npz" else _hdf5
    with written_whole(path) as temporary, opened(temporary) as store:
        writer = DumpWriter(store, samples)
        writer.say(format=FORMAT, **attrs)
        yield writer


def take_sample(array: np.ndarray, samples: int, key: str) -> Sample:
    """At most so many values of an array, at places drawn by `key`: two recorders take the same ones."""
    flat = array.ravel()
    if flat.size <= samples:
        index = np.arange(flat.size)
    else:
        draw = np.random.RandomState(zlib.crc32(key.encode("utf-8", "surrogateescape")))
        index = np.unique((draw.random_sample(samples) * flat.size).astype(np.int64))
    return Sample(tuple(array.shape), index, flat[index], **statistics_of(flat))


@contextmanager
def _hdf5(path: Path) -> Iterator[Store]:
    # Attributes over 64 kB, such as the prototxt of a deep net, need the layout of HDF5 1.8; no later one is needed.
    with new_hdf5(path, libver=("v108", "v108")) as file:
        file.create_group("input")
        file.create_group("layer")
        yield _Hdf5(file)


@dataclass
class _Hdf5:
    file: Any  # h5py.File

    def say(self, **attrs: str) -> None:
        for key, value in attrs.items():
            self.file.attrs[key] = _name(value)

    def input(self, blob: str, array: np.ndarray) -> None:
        if not all(part not in ("", ".", "..") for part in blob.split("/")):
            raise CaffeError(f"HDF5 has no such name as {blob!r}, an input of the net; an .npz has")
        self.file["input"].create_dataset(_name(blob), data=array)

    def layer(self, number: int, said: Mapping[str, Any], tops: Sequence[Top]) -> None:
        group = self.file["layer"].create_group(f"{number:04d}")
        for key, value in said.items():
            group.attrs[key] = _name(value if isinstance(value, str) else json.dumps(value))
        for i, top in enumerate(tops):
            if not isinstance(top, Sample):
                group.create_dataset(f"top{i}", data=top)
                continue
            sampled = group.create_group(f"top{i}")
            for key in STATISTICS:
                sampled.attrs[key] = getattr(top, key)
            sampled.attrs["shape"] = np.array(top.shape, np.int64)
            sampled.create_dataset("index", data=top.index)
            sampled.create_dataset("value", data=top.value)


@contextmanager
def _npz(path: Path) -> Iterator[Store]:
    with zipfile.ZipFile(path, "w") as file:
        store = _Npz(file)
        yield store
        said = {**store.said, "inputs": store.inputs, "layers": store.layers}
        store.array(ATTRIBUTES, np.frombuffer(json.dumps(said).encode(), np.uint8))


@dataclass
class _Npz:
    file: zipfile.ZipFile
    said: dict[str, str] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    layers: list[dict[str, Any]] = field(default_factory=list)

    def say(self, **attrs: str) -> None:
        self.said |= attrs

    def input(self, blob: str, array: np.ndarray) -> None:
        self.inputs.append(blob)
        self.array(member_name(f"input/{blob}"), array)

    def layer(self, number: int, said: Mapping[str, Any], tops: Sequence[Top]) -> None:
        recorded: list[dict[str, Any] | None] = []
        for i, top in enumerate(tops):
            name = f"layer/{number:04d}/top{i}"
            if isinstance(top, Sample):
                self.array(f"{name}/index", top.index)
                self.array(f"{name}/value", top.value)
                recorded.append({"shape": list(top.shape), **{key: getattr(top, key) for key in STATISTICS}})
            else:
                self.array(name, top)
                recorded.append(None)
        self.layers.append({**said, "recorded": recorded})

    def array(self, name: str, array: np.ndarray) -> None:
        entry = zipfile.ZipInfo(f"{name}.npy")  # of 1980, as all are
        entry.create_system = 3
        with self.file.open(entry, "w", force_zip64=array.nbytes >= 1 << 31) as stream:
            np.lib.format.write_array(stream, np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False)


def _name(text: str) -> str | bytes:
    """A name as HDF5 takes it: text, or the bytes that it was read from where those were no UTF-8."""
    if "\0" in text:
        raise CaffeError(f"HDF5 has no such name as {text!r}; an .npz has")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")
    return text
