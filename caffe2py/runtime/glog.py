"""Caffe's log lines, as glog writes them: `I20261126 10:15:28.000000  1000 net.cpp:86] Creating Layer conv`.

They name Caffe's own source files and lines, so that what parses its logs goes on working. As in Caffe, they go to the
standard error stream, and GLOG_minloglevel leaves out what is below a level: 1 the INFO lines, 2 warnings too.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

from caffe2py.runtime.mode import is_root

LEVELS = "IWEF"


def log(place: str, message: str, level: str = "I") -> None:
    """One line (or several, where the message has several), from `file.cpp:line`; of several solvers, the root's."""
    if not is_root() or LEVELS.index(level) < lowest():
        return
    now = time.time()
    stamp = time.strftime("%Y%m%d %H:%M:%S", time.localtime(now))
    thread = threading.get_native_id()
    sys.__stderr__.write(f"{level}{stamp}.{int(now % 1 * 1e6):06d} {thread:5d} {place}] {message}\n")  # type: ignore[union-attr]
    sys.__stderr__.flush()  # type: ignore[union-attr]


def lowest() -> int:
    """The lowest level that is written: 0 is INFO."""
    said = os.environ.get("GLOG_minloglevel", "0")  # noqa: SIM112  glog's own name
    return int(said) if said.isdigit() else 0


def number(value: Any) -> str:
    """A number as C++ streams print it: six digits."""
    return f"{float(value):g}"


def weighed(value: Any, weight: float) -> str:
    """What the line of an output adds where the blob weighs in the loss: ` (* 1 = 0.5 loss)`."""
    return f" (* {number(weight)} = {number(weight * value)} loss)" if weight else ""
