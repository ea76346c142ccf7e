"""Several processes that train one net: each takes batches of its own, and gradients are averaged (parallel.cpp)."""

from __future__ import annotations

import os

import torch
import torch.distributed as dist

from caffe2py.runtime.glog import log
from caffe2py.runtime.mode import choose_gpu, device, set_workers, use_gpu
from caffe2py.runtime.solvers.solver import RunningSolver


def join_torchrun(gpu: bool) -> bool:
    """Be one of the processes that torchrun started, if it started this one: whether it did."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count < 2 or "RANK" not in os.environ:
        return False
    join(int(os.environ["RANK"]), count, gpu=gpu)
    return True


def join(rank: int, count: int, address: str | None = None, gpu: bool = False) -> None:
    """Be one of `count` processes. `address` is where they meet, None: where torchrun says."""
    if gpu and torch.cuda.is_available():
        choose_gpu(int(os.environ.get("LOCAL_RANK", rank)) % torch.cuda.device_count())
        use_gpu()
    set_workers(count, rank)
    if not dist.is_initialized():
        backend = "nccl" if device().type == "cuda" else "gloo"
        dist.init_process_group(backend, init_method=address or "env://", rank=rank, world_size=count)


def leave() -> None:
    """End what `join` began."""
    if dist.is_initialized():
        dist.destroy_process_group()
    set_workers(1, 0)


def share_start(solver: RunningSolver) -> None:
    """Have every process begin from the root's weights, and go on from its state."""
    for spec in solver.train_net.specs.owned:
        dist.broadcast(spec.blob.tensor(), 0)


def average_gradients(solver: RunningSolver) -> None:
    """Replace the diffs of the learned blobs by their means over all processes."""
    count = dist.get_world_size()
    diffs = [spec.blob.gradient() for spec in solver.train_net.specs.owned]
    for work in [dist.all_reduce(diff, async_op=True) for diff in diffs]:
        work.wait()
    for diff in diffs:
        diff.mul_(1 / count)


def train_together(solver: RunningSolver) -> None:
    """Have the solver average its gradients with those of the others."""
    log("parallel.cpp:56", f"{dist.get_world_size()} processes train together")
    share_start(solver)
    solver.add_callbacks(lambda: None, lambda: average_gradients(solver))
