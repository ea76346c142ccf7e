"""`compute_image_mean`: the mean of a database's samples (tools/compute_image_mean.cpp)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from caffe2py.errors import CaffeError, FileError
from caffe2py.proto.weights.mean import write_mean
from caffe2py.runtime.data.database_data import datum_array, parse_datum
from caffe2py.runtime.data.databases import open_database
from caffe2py.runtime.glog import log, number


def compute_image_mean(
    source: str, backend: str, out: str | None = None, progress: Callable[[Iterable[bytes]], Iterable[bytes]] = iter
) -> np.ndarray:
    """The mean (channels, height, width), float32, written as `.binaryproto` or `.npy` where `out` is given.

    Raises `CaffeError` where samples differ in size.
    """
    total: np.ndarray | None = None
    count = 0
    log("compute_image_mean.cpp:71", "Starting iteration")
    for value in progress(open_database(source, backend).values()):
        array = datum_array(parse_datum(value), source)
        if total is None:
            total = np.zeros(array.shape, np.float64)
        if array.shape != total.shape:
            raise CaffeError(f"Incorrect data field size: {array.shape} after {total.shape}; want one size", source)
        total += array
        count += 1
        if count % 10000 == 0:
            log("compute_image_mean.cpp:95", f"Processed {count} files.")
    if total is None:
        raise FileError("holds no record", source)
    log("compute_image_mean.cpp:101", f"Processed {count} files.")
    mean = (total / count).astype(np.float32)
    if out is not None:
        log("compute_image_mean.cpp:108", f"Write to {out}")
        write_mean(out, mean)
    log("compute_image_mean.cpp:114", f"Number of channels: {len(mean)}")
    for channel, values in enumerate(mean):
        log("compute_image_mean.cpp:119", f"mean_value channel [{channel}]: {number(values.mean(dtype=np.float64))}")
    return mean
