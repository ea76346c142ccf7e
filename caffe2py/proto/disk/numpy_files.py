"""`.npz` archives and folders of `.npy` files from strangers: nothing is unpickled, no size is believed unseen."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from caffe2py.errors import FileError
from caffe2py.proto.disk.damage import damage_told, reason

NPY = b"\x93NUMPY"  # how each .npy begins
Arrays = dict[str, Callable[[], np.ndarray]]
DENSEST = 1032  # bytes that one byte of deflate can stand for at most


@contextmanager
def archive(path: Path) -> Iterator[Arrays]:
    """The arrays of an `.npz` by name; each is read when its function is called."""
    with damage_told(path, ".npz"):
        opened = zipfile.ZipFile(path)
    with opened as file:
        names = [n for n in file.namelist() if n.endswith(".npy")]
        if not names:
            raise FileError("a zip file without arrays; want an .npz", str(path))
        yield {n.removesuffix(".npy"): _member(file, n, path) for n in names}


def _member(file: zipfile.ZipFile, name: str, path: Path) -> Callable[[], np.ndarray]:
    def read() -> np.ndarray:
        with damage_told(path, f'array "{name}"'), file.open(name) as stream:
            said = file.getinfo(name)
            if said.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError("packed in another way than numpy does it")
            if said.file_size > said.compress_size * DENSEST:
                raise ValueError(f"it declares {said.file_size} bytes, packed in {said.compress_size}")
            shape, order, dtype = _header(stream)
            _check(shape, dtype, said.file_size - stream.tell())
            data = np.frombuffer(bytearray(stream.read()), dtype)
        return data.reshape(shape[::-1]).T if order else data.reshape(shape)

    return read


def folder(path: Path) -> Arrays:
    """The arrays of a folder's `.npy` files, subfolders included, by their path without the suffix."""
    files = sorted(path.rglob("*.npy"))
    if not files:
        raise FileError("a folder without .npy files", str(path))
    return {f.relative_to(path).with_suffix("").as_posix(): _file(f) for f in files}


def _file(path: Path) -> Callable[[], np.ndarray]:
    return lambda: read_npy(path)


def read_npy(path: Path) -> np.ndarray:
    """The array of one `.npy` file, mapped and not copied. Raises `FileError`."""
    try:
        stream = open(path, "rb")  # noqa: SIM115
    except OSError as error:
        raise FileError(reason(error), str(path)) from None
    with stream, damage_told(path, ".npy"):
        shape, _, dtype = _header(stream)
        _check(shape, dtype, path.stat().st_size - stream.tell())
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        return array


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(stream)


def _check(shape: tuple[int, ...], dtype: np.dtype, there: int) -> None:
    declared = dtype.itemsize * math.prod(shape)
    if dtype.kind not in "fiub" or dtype.hasobject:
        raise ValueError(f"it holds {dtype}, not numbers")
    if min(shape, default=0) < 0 or declared != there:
        raise ValueError(f"{shape} declares {declared} bytes, {there} are there")
