"""Mean images, which Caffe subtracts from its inputs: ``.binaryproto`` (one BlobProto) and ``.npy``."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from caffe2py.errors import CaffemodelError, FileError, UnsupportedError
from caffe2py.proto.disk.files import map_file, written_whole
from caffe2py.proto.disk.looks import looks_like
from caffe2py.proto.disk.numpy_files import NPY, read_npy
from caffe2py.proto.weights.blobs import DATA, LEGACY, parse_blob
from caffe2py.proto.weights.wire import VARINT, Buffer, WireError, encode_head, encode_varint


def read_mean(path: str | os.PathLike[str]) -> np.ndarray:
    """The mean (channels, height, width) as float32, channels in the file's order: BGR where Caffe made it.

    A ``.npy`` of one value a channel gives (channels, 1, 1). The two kinds are told apart by content. Raises FileError
    where the file cannot be opened or is a damaged `.npy`, CaffemodelError where it holds no mean.
    """
    buf = map_file(path)
    name = os.fspath(path)
    data = read_npy(Path(path)) if buf[: len(NPY)] == NPY else _read_binaryproto(buf, name)
    if data.dtype.kind == "b":
        raise CaffemodelError(f"an array of {data.dtype}; want numbers", name)
    shape = data.shape
    if data.ndim == 4 and shape[0] == 1:
        data = data[0]
    elif data.ndim == 1:
        data = data[:, None, None]
    if data.ndim != 3 or not data.size:
        raise CaffemodelError(f"an array of shape {shape}; want (channels, height, width)", name)
    if data.shape[2] in (1, 3) and data.shape[0] not in (1, 3) and data.shape[1] > 1:
        raise CaffemodelError(f"an array of shape {shape}, channels last; want (channels, height, width)", name)
    with np.errstate(over="ignore"):  # a double beyond float32 is infinite, as in Caffe
        return np.array(data, np.float32, order="C")


def read_blob(path: str | os.PathLike[str]) -> np.ndarray:
    """The one blob in a ``.binaryproto``, in its own shape. Raises as ``read_mean``."""
    return _read_binaryproto(map_file(path), os.fspath(path))


def write_mean(path: str | os.PathLike[str], mean: np.ndarray) -> None:
    """Write a mean (channels, height, width): numpy's format where the name ends in ``.npy``, else as Caffe writes it.

    Raises FileError where it cannot be written, ValueError where ``mean`` has another number of axes.
    """
    if mean.ndim != 3:
        raise ValueError(f"a mean of shape {mean.shape}; want (channels, height, width)")
    data = np.ascontiguousarray(mean, "<f4")
    with written_whole(path) as temporary, open(temporary, "wb") as file:
        if Path(path).suffix == ".npy":
            np.save(file, data, allow_pickle=False)
            return
        for number, size in zip(LEGACY, (1, *data.shape), strict=True):
            file.write(encode_varint(number << 3 | VARINT) + encode_varint(size))
        file.write(encode_head(DATA, data.nbytes))
        file.write(data.data)


def _read_binaryproto(buf: Buffer, name: str) -> np.ndarray:
    try:
        return parse_blob(buf, 0, len(buf)).data
    except WireError as error:
        kind = looks_like(buf[:4096])
        if kind:
            raise FileError(f"not a mean: it is {kind}", name) from None
        raise CaffemodelError(f"not a mean: {error}", name) from None
    except UnsupportedError as error:
        raise UnsupportedError(str(error), name) from None
