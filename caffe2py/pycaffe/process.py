"""What pycaffe says about the whole process: device, random seed, log, solvers beside this one."""

from __future__ import annotations

import time

from caffe2py.layers.base import layer_types
from caffe2py.runtime import glog, mode


def init_log(level: int = 0) -> None:
    """Begin the log; INFO lines go to the standard error stream unless GLOG_minloglevel says otherwise."""


def log(message: str) -> None:
    """Write a line to Caffe's log."""
    glog.log("_caffe.cpp:52", message)


def set_mode_cpu() -> None:
    """Compute on the CPU."""
    mode.use_cpu()


def set_mode_gpu() -> None:
    """Compute on the GPU. Raises `CaffeError` where torch has none."""
    mode.use_gpu()


def set_device(device_id: int) -> None:
    """Choose the GPU."""
    mode.choose_gpu(device_id)


def set_random_seed(seed: int) -> None:
    """Begin all random numbers anew: fillers, data layers, dropout."""
    mode.seed(seed)


def layer_type_list() -> list[str]:
    """The types that layers may have."""
    return sorted(name for name in layer_types() if not name.startswith("Python "))


def solver_count() -> int:
    """How many solvers train together."""
    return mode.workers()[0]


def set_solver_count(count: int) -> None:
    """Say how many solvers train together."""
    mode.set_workers(count=count)


def solver_rank() -> int:
    """Which of them this process is."""
    return mode.workers()[1]


def set_solver_rank(rank: int) -> None:
    """Say which of them this process is; the one of rank 0 speaks."""
    mode.set_workers(rank=rank)


def set_multiprocess(multiprocess: bool) -> None:
    """Each process is one solver here; there is nothing to set."""


def has_nccl() -> bool:
    """Can several processes train together?"""
    import torch.distributed

    return torch.distributed.is_available()


class Timer:
    """A stopwatch; `ms` are the milliseconds between `start` and `stop`."""

    def __init__(self) -> None:
        self._start = self._stop = 0.0

    def start(self) -> None:
        """Begin."""
        self._start = time.perf_counter()

    def stop(self) -> None:
        """End."""
        self._stop = time.perf_counter()

    @property
    def ms(self) -> float:
        """The milliseconds between the two."""
        return 1000 * (self._stop - self._start)
