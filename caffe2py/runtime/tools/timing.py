"""`caffe time`: how long each layer takes, forward and backward (caffe.cpp)."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from caffe2py.runtime.glog import log, number
from caffe2py.runtime.mode import device
from caffe2py.runtime.nets.net import RunningNet


@dataclass(frozen=True)
class Times:
    """Mean milliseconds: of each layer (forward, backward), and of the whole net."""

    layers: dict[str, tuple[float, float]]
    forward: float
    backward: float


def time_net(net: RunningNet, count: int) -> Times:
    """Run the net `count` times, layer by layer, after one pass to warm up; log as Caffe does."""
    log("caffe.cpp:351", "Performing Forward")
    log("caffe.cpp:356", f"Initial loss: {number(net.run_forward())}")
    log("caffe.cpp:357", "Performing Backward")
    net.run_backward()
    log("caffe.cpp:365", "*** Benchmark begins ***")
    log("caffe.cpp:366", f"Testing for {count} iterations.")
    layers = range(len(net.operators))
    ahead, back = [0.0] * len(layers), [0.0] * len(layers)
    whole = [0.0, 0.0]
    begin = _now()
    for j in range(1, count + 1):
        start = _now()
        for i in layers:
            before = _now()
            net.run_forward(i, i)
            ahead[i] += _now() - before
        middle = _now()
        for i in reversed(layers):
            before = _now()
            net.run_backward(i, i)
            back[i] += _now() - before
        end = _now()
        whole[0] += middle - start
        whole[1] += end - middle
        log("caffe.cpp:394", f"Iteration: {j} forward-backward time: {number(end - start)} ms.")
    total = _now() - begin
    log("caffe.cpp:397", "Average time per layer: ")
    for i in layers:
        name = net.operators[i].name
        log("caffe.cpp:400", f"{name:>10}\tforward: {number(ahead[i] / count)} ms.")
        log("caffe.cpp:403", f"{name:>10}\tbackward: {number(back[i] / count)} ms.")
    log("caffe.cpp:408", f"Average Forward pass: {number(whole[0] / count)} ms.")
    log("caffe.cpp:410", f"Average Backward pass: {number(whole[1] / count)} ms.")
    log("caffe.cpp:412", f"Average Forward-Backward: {number(total / count)} ms.")
    log("caffe.cpp:414", f"Total Time: {number(total)} ms.")
    log("caffe.cpp:415", "*** Benchmark ends ***")
    means = {net.operators[i].name: (ahead[i] / count, back[i] / count) for i in layers}
    return Times(means, whole[0] / count, whole[1] / count)


def _now() -> float:
    """Milliseconds, once the device has done what it was given."""
    if device().type == "cuda":
        torch.cuda.synchronize()
    return 1000 * time.perf_counter()
