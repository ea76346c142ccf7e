"""Writing `caffe-activations/1`: every layer's tops as they stood right after it ran, whole or sampled.

HDF5; attributes format, net, phase, prototxt, caffemodel_sha256; `input/BLOB`; `layer/NNNN` with attributes name, type,
bottoms and tops (JSON lists), and a dataset top0, top1 ... for each top. Sampled, a top is a group instead: attributes
shape, mean, std, min, max, l2 (of all values); datasets index (flat, C order) and value.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from caffe2py.errors import CaffeError, FileError
from caffe2py.proof.dumps import FORMAT, STATISTICS, Sample
from caffe2py.proto.files import written_whole


@dataclass
class DumpWriter:
    """An open dump. Layers are written in the order they run; `samples` keeps so many values of each top at most."""

    file: Any  # h5py.File
    samples: int | None = None
    layers: int = 0

    def input(self, blob: str, array: np.ndarray) -> None:
        """What the net was fed: always whole."""
        if not all(part not in ("", ".", "..") for part in blob.split("/")):
            raise FileError(f"HDF5 has no such name as {blob!r}, an input of the net", self.file.filename)
        self.file["input"].create_dataset(_name(blob), data=array)

    def layer(
        self, name: str, type_: str, bottoms: Sequence[str], tops: Sequence[str], arrays: Sequence[np.ndarray]
    ) -> None:
        """One layer that ran, with the blobs it reads and makes, and its tops."""
        group = self.file["layer"].create_group(f"{self.layers:04d}")
        self.layers += 1
        said = {"name": name, "type": type_, "bottoms": json.dumps(list(bottoms)), "tops": json.dumps(list(tops))}
        for key, value in said.items():
            group.attrs[key] = _name(value)
        for i, array in enumerate(arrays):
            if self.samples is None:
                group.create_dataset(f"top{i}", data=array)
            else:
                _write_sample(group.create_group(f"top{i}"), take_sample(array, self.samples, f"{name}/{i}"))


@contextmanager
def write_dump(
    path: str | os.PathLike[str],
    *,
    net: str = "",
    phase: str = "TEST",
    prototxt: str = "",
    caffemodel_sha256: str = "",
    samples: int | None = None,
) -> Iterator[DumpWriter]:
    """A dump to write; it appears at `path` once the block has ended well. Raises `FileError` where it cannot."""
    import h5py

    if samples is not None and samples < 1:
        raise CaffeError(f"samples is {samples}; want at least 1 value of each top")
    attrs = {"format": FORMAT, "net": net, "phase": phase, "caffemodel_sha256": caffemodel_sha256}
    # Attributes over 64 kB, such as the prototxt of a deep net, need the newer file layout.
    layout = ("v110", "v110")
    with written_whole(path) as temporary, h5py.File(temporary, "w", libver=layout) as file:
        for key, value in {**attrs, "prototxt": prototxt}.items():
            file.attrs[key] = _name(value)
        file.create_group("input")
        file.create_group("layer")
        yield DumpWriter(file, samples)


def take_sample(array: np.ndarray, samples: int, key: str) -> Sample:
    """At most so many values of an array, at places drawn by `key`: two recorders take the same ones."""
    wide = array.astype(np.float64).ravel()
    if wide.size <= samples:
        index = np.arange(wide.size)
    else:
        draw = np.random.RandomState(zlib.crc32(key.encode("utf-8", "surrogateescape")))
        index = np.unique((draw.random_sample(samples) * wide.size).astype(np.int64))
    with np.errstate(invalid="ignore", over="ignore"):
        said = (
            (wide.mean(), wide.std(), wide.min(), wide.max(), np.sqrt(np.square(wide).sum()))
            if wide.size
            else [0.0] * 5
        )
    statistics = dict(zip(STATISTICS, map(float, said), strict=True))
    return Sample(tuple(array.shape), index, array.ravel()[index], **statistics)


def _write_sample(group: Any, sample: Sample) -> None:
    said: Mapping[str, float] = {key: getattr(sample, key) for key in STATISTICS}
    for key, value in said.items():
        group.attrs[key] = value
    group.attrs["shape"] = np.array(sample.shape, np.int64)
    group.create_dataset("index", data=sample.index)
    group.create_dataset("value", data=sample.value)


def _name(text: str) -> str | bytes:
    """A name as HDF5 takes it: text, or the bytes that it was read from where those were no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")
    return text
