"""What Caffe keeps for a whole process: where it computes, its random numbers, and its place among several solvers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from caffe2py.backends.torch.device import CPU, allow_tf32
from caffe2py.errors import CaffeError


@dataclass
class Mode:
    """The settings of this process."""

    device: torch.device = CPU
    gpu: int = 0
    rng: np.random.Generator = field(default_factory=np.random.default_rng)
    solver_count: int = 1
    solver_rank: int = 0


_mode = Mode()


def device() -> torch.device:
    """Where layers compute."""
    return _mode.device


def rng() -> np.random.Generator:
    """The random numbers of this process."""
    return _mode.rng


def use_cpu() -> None:
    """Compute on the CPU."""
    _mode.device = CPU


def use_gpu() -> None:
    """Compute on a GPU. Raises `CaffeError` where torch finds none."""
    if not torch.cuda.is_available():
        raise CaffeError("torch finds no GPU here; want a torch with CUDA and a GPU, or the CPU mode")
    _mode.device = torch.device("cuda", _mode.gpu)
    allow_tf32(False, False)


def choose_gpu(number: int) -> None:
    """Say which GPU is meant; a net computes there once `use_gpu` is called."""
    _mode.gpu = number
    if _mode.device != CPU:
        use_gpu()


def seed(number: int) -> None:
    """Begin the random numbers anew, those of fillers, of data layers and of torch's dropout."""
    _mode.rng = np.random.default_rng(number)
    torch.manual_seed(number)


def workers() -> tuple[int, int]:
    """How many solvers train together, and which of them this process is."""
    return _mode.solver_count, _mode.solver_rank


def set_workers(count: int | None = None, rank: int | None = None) -> None:
    """Say how many solvers train together, and which of them this process is."""
    _mode.solver_count = _mode.solver_count if count is None else count
    _mode.solver_rank = _mode.solver_rank if rank is None else rank


def is_root() -> bool:
    """Is this the solver that speaks, tests and saves?"""
    return _mode.solver_rank == 0
