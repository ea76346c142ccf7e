"""`convert_imageset`: a list of pictures as a database of Datum messages (tools/convert_imageset.cpp)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from caffe2py.errors import CaffeError, FileError
from caffe2py.proto.disk.damage import reason
from caffe2py.proto.schema import message_class
from caffe2py.runtime.data.databases import new_database
from caffe2py.runtime.data.image_data import read_list
from caffe2py.runtime.data.pictures import opencv, read_picture
from caffe2py.runtime.glog import log

Progress = Callable[[Sequence[Any]], Iterable[Any]]


@dataclass(frozen=True)
class Settings:
    """The flags of Caffe's tool. A height and width of 0 leave pictures as large as they are."""

    backend: str = "LMDB"
    gray: bool = False
    shuffle: bool = False
    seed: int = 0
    height: int = 0
    width: int = 0
    check_size: bool = False
    encoded: bool = False
    encode_type: str = ""


def convert_imageset(root: str, listing: str, out: str, settings: Settings, progress: Progress = iter) -> int:
    """Make the database `out`, whole or not at all; returns how many pictures are in it.

    The list names a picture, from `root` on, and its label in each line; its key is its number and name. A picture
    that cannot be read is an error.
    """
    lines = list(read_list(listing))
    if settings.shuffle:
        log("convert_imageset.cpp:84", "Shuffling data")
        lines = [lines[i] for i in np.random.default_rng(settings.seed).permutation(len(lines))]
    log("convert_imageset.cpp:87", f"A total of {len(lines)} images.")
    if Path(out).exists():
        raise FileError("something stands there already; want a new name, or to remove it", out)
    try:
        with tempfile.TemporaryDirectory(dir=Path(out).resolve().parent, prefix=f".{Path(out).name}.") as folder:
            made = str(Path(folder, "database"))
            _write(root, lines, made, settings, progress)
            os.rename(made, out)
    except OSError as error:
        raise FileError(f"cannot write: {reason(error)}", out) from None
    log("convert_imageset.cpp:149", f"Processed {len(lines)} files.")
    return len(lines)


def _write(root: str, lines: Sequence[tuple[str, int]], out: str, settings: Settings, progress: Progress) -> None:
    database = new_database(out, settings.backend)
    size = 0
    try:
        for number, (name, label) in enumerate(progress(lines)):
            datum = _datum(root + name, label, settings)
            if settings.check_size:
                size = size or len(datum.data)
                if len(datum.data) != size:
                    raise CaffeError(f"Incorrect data field size {len(datum.data)}; want {size}", root + name)
            database.put(f"{number:08}_{name}".encode("utf-8", "surrogateescape"), datum.SerializeToString())
            if number and number % 1000 == 0:
                log("convert_imageset.cpp:143", f"Processed {number} files.")
    finally:
        database.close()


def _datum(path: str, label: int, settings: Settings) -> Any:
    datum: Any = message_class("Datum")(label=label)
    kind = settings.encode_type or Path(path).suffix.lstrip(".")
    resized = settings.height > 0 and settings.width > 0
    if settings.encoded and not resized and not settings.gray and _same(path, kind):
        datum.data = _bytes(path)
        datum.encoded = True
        return datum
    pixels = read_picture(path, settings.height, settings.width, not settings.gray)
    if settings.encoded:
        done, coded = opencv().imencode(f".{kind}", pixels.transpose(1, 2, 0))
        if not done:
            raise CaffeError(f'OpenCV has no encoder for "{kind}"', path)
        datum.data = coded.tobytes()
        datum.encoded = True
        return datum
    datum.channels, datum.height, datum.width = pixels.shape
    datum.data = pixels.tobytes()
    datum.encoded = False
    return datum


def _same(path: str, kind: str) -> bool:
    """Is the file encoded as is wanted? jpg is jpeg."""
    words = {Path(path).suffix.lstrip(".").lower().replace("jpeg", "jpg"), kind.lower().replace("jpeg", "jpg")}
    return len(words) == 1


def _bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise FileError(reason(error), path) from None
