"""The process that tries HDF5 files out: `python -m caffe2py.proto.hdf5.visit` reads `PATH SECONDS` lines on stdin.

It says "ready" once, and answers "done" where it has gone through a file, whatever it met there: errors come again
where the file is read. It dies where libhdf5 does, and by the limit of its time.
"""

from __future__ import annotations

import importlib.util
import math
import os
import signal
import sys
import time
from contextlib import suppress
from typing import Any

import h5py
import numpy as np

from caffe2py.proto.hdf5.safe import check_links


def visit(path: str) -> None:
    """Open every group, attribute and dataset of a file, as those who read it do, but read no numbers of it.

    In h5py's lower words, which are quick: a dump has ten thousand attributes.
    """
    with suppress(Exception), h5py.File(path, "r", locking="best-effort") as file:
        check_links(file, path)
        _look(file.id)


def _look(thing: Any) -> None:
    for index in range(h5py.h5a.get_num_attrs(thing)):
        with suppress(Exception):
            _read(h5py.h5a.open(thing, index=index))
    if isinstance(thing, h5py.h5g.GroupID):
        for name in _names(thing):
            with suppress(Exception):
                _look(h5py.h5o.open(thing, name))
    elif isinstance(thing, h5py.h5d.DatasetID):
        _measure(thing)


def _read(attribute: Any) -> None:
    """Texts and others of free length lie elsewhere in the file; what has a fixed length is all there."""
    if attribute.get_type().detect_class(h5py.h5t.VLEN) or attribute.get_type().is_variable_str():
        attribute.read(np.empty(attribute.shape, attribute.dtype))


def _measure(dataset: Any) -> None:
    plist = dataset.get_create_plist()
    plist.get_external_count()
    dataset.get_storage_size()
    if plist.get_layout() == h5py.h5d.CHUNKED:
        dataset.get_num_chunks()  # which goes through their index


def _names(group: Any) -> list[bytes]:
    with suppress(Exception):
        return list(group)
    return []


def _limit(seconds: int) -> None:
    """From now on so much time of the processor, where the system counts it."""
    if importlib.util.find_spec("resource") is not None:
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + seconds, most))


def main() -> None:
    """Answer until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print("ready", flush=True)
    for line in sys.stdin:
        path, seconds = line.split()
        _limit(int(seconds))
        visit(os.fsdecode(bytes.fromhex(path)))
        print("done", flush=True)


if __name__ == "__main__":
    main()
