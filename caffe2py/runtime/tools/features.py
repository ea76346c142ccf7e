"""`extract_features`: blobs of a net, sample by sample, as databases of Datum messages (tools/extract_features.cpp)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from caffe2py.errors import CaffeError, FileError
from caffe2py.proto.disk.damage import reason
from caffe2py.proto.schema import message_class
from caffe2py.runtime.blobs.blob import Blob
from caffe2py.runtime.data.databases import Writer, new_database
from caffe2py.runtime.glog import log
from caffe2py.runtime.nets.net import RunningNet


def extract_features(
    net: RunningNet, blobs: Sequence[str], outs: Sequence[str], batches: Iterable[int], backend: str
) -> int:
    """Run the net over batches of its own data, and write each blob's samples to its database; how many there are.

    Raises `CaffeError` for a blob that the net has not, and where something stands at one of `outs`.
    """
    if len(blobs) != len(outs):
        raise CaffeError("the number of blob names and dataset names must be equal")
    for name in blobs:
        if name not in net.named_blobs:
            raise CaffeError(f"Unknown feature blob name {name} in the network {net.graph.name}")
    for out in outs:
        if Path(out).exists():
            raise FileError("something stands there already; want a new name, or to remove it", out)
    log("extract_features.cpp:125", "Extracting Features")
    folder = Path(outs[0]).resolve().parent
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".features.") as temporary:
            made = [str(Path(temporary, str(i))) for i in range(len(outs))]
            count = _write(net, blobs, made, batches, backend)
            for new, out in zip(made, outs, strict=True):
                os.rename(new, out)
    except OSError as error:
        raise FileError(f"cannot write: {reason(error)}", str(folder)) from None
    for name in blobs:
        log("extract_features.cpp:175", f"Extracted features of {count} query images for feature blob {name}")
    log("extract_features.cpp:180", "Successfully extracted the features!")
    return count


def _write(net: RunningNet, blobs: Sequence[str], outs: Sequence[str], batches: Iterable[int], backend: str) -> int:
    databases = [new_database(out, backend) for out in outs]
    counts = [0] * len(blobs)
    try:
        for _ in batches:
            net.run_forward(record=False)
            for i, (name, database) in enumerate(zip(blobs, databases, strict=True)):
                counts[i] += _put(net.named_blobs[name], database, counts[i])
    finally:
        for database in databases:
            database.close()
    return counts[0]


def _put(blob: Blob, database: Writer, first: int) -> int:
    for i, values in enumerate(blob.data):
        datum: Any = message_class("Datum")(
            channels=blob.channels,
            height=blob.height,
            width=blob.width,
        )
        datum.float_data.extend(values.ravel())
        database.put(f"{first + i:010}".encode(), datum.SerializeToString())
    return len(blob.data)
