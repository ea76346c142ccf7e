"""Several processes, one evaluation: each takes every n-th image, and all learn everything at the end.

The processes are started by torchrun, which tells each its number by RANK and WORLD_SIZE.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

T = TypeVar("T")
PATIENCE = timedelta(days=7)  # how long the first to end waits for the last


@dataclass(frozen=True)
class Shard:
    """This process's place among `count`."""

    number: int = 0
    count: int = 1
    local: int = 0  # among those on this machine
    local_count: int = 1

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """This process's part of a list."""
        return items[self.number :: self.count]

    def gather(self, items: Sequence[T]) -> list[T]:
        """The items of every process, in the order of their numbers. All must call it."""
        if self.count == 1:
            return list(items)
        import torch.distributed as dist

        parts: list[Sequence[T]] = [()] * self.count
        dist.all_gather_object(parts, list(items))
        return [item for part in parts for item in part]


@contextmanager
def shard() -> Iterator[Shard]:
    """This process's shard; joined with the others for as long as the block runs."""
    made = current()
    if made.count == 1:
        yield made
        return
    import torch.distributed as dist

    joined = dist.is_initialized()
    if not joined:
        dist.init_process_group("gloo", timeout=PATIENCE)
    try:
        yield made
    finally:
        if not joined:
            dist.destroy_process_group()


def current() -> Shard:
    """What torchrun says of this process; alone where it was not started so."""
    number, count, local, local_count = (
        int(os.environ.get(key, default))
        for key, default in (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0), ("LOCAL_WORLD_SIZE", 1))
    )
    return Shard(number, count, local, local_count)
