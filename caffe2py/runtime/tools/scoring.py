"""`caffe test`: a net's outputs over some batches (caffe.cpp)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from caffe2py.runtime.glog import log, number, weighed
from caffe2py.runtime.nets.net import RunningNet


def score(net: RunningNet, batches: Iterable[int], count: int) -> dict[str, float]:
    """Log each output of each batch, and then the means, which come back; `loss` is the whole net's."""
    log("caffe.cpp:281", f"Running for {count} iterations.")
    total: list[np.float32] = []
    named: list[tuple[str, float]] = []
    loss = np.float32(0)
    for i in batches:
        loss += np.float32(net.run_forward(record=False))
        scores = net.scores()
        for name, value, _ in scores:
            log("caffe.cpp:304", f"Batch {i}, {name} = {number(value)}")
        named = [(name, weight) for name, _, weight in scores]
        values = [np.float32(value) for _, value, _ in scores]
        total = [a + b for a, b in zip(total, values, strict=True)] if total else values
    log("caffe.cpp:309", f"Loss: {number(loss / np.float32(count))}")
    means = {"loss": float(loss / np.float32(count))}
    for (name, weight), added in zip(named, total, strict=True):
        mean = added / np.float32(count)
        log("caffe.cpp:321", f"{name} = {number(mean)}{weighed(mean, weight)}")
        means[name] = float(mean)
    return means
