"""Where torch runs a net, and in what arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from caffe2py.errors import CaffeError, first_line

CPU = torch.device("cpu")


def find_device(name: str) -> torch.device:
    """The device as torch names it: cpu, cuda, cuda:1, mps. Raises `CaffeError` where there is none."""
    try:
        found = torch.device(name)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise CaffeError(f'no device "{name}": {first_line(error)}') from None
    return found


def allow_tf32(convolutions: bool, products: bool) -> tuple[bool, bool]:
    """May cuDNN and cuBLAS cut the factors of products to the 10 bits of TF32? Returns what was so before."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = convolutions, products
    return before


@contextmanager
def full_float32() -> Iterator[None]:
    """float32 means float32, as in Caffe."""
    before = allow_tf32(False, False)
    try:
        yield
    finally:
        allow_tf32(*before)


@contextmanager
def one_thread() -> Iterator[None]:
    """torch computes on one thread: sums are added in one order, and none burn time that wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def fast_layout(where: torch.device, dtype: torch.dtype) -> torch.memory_format:
    """Channels last on a CPU, where it measured up to 2 times as fast (SE-ResNeXt-50, tools/bench/figures/evaluate.py),
    and on a GPU in half precision, whose kernels work in it."""
    last = where.type == "cpu" or dtype != torch.float32
    return torch.channels_last if last else torch.contiguous_format
