"""Files with bits flipped, drawn at random from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random


def damaged(data: bytes, times: int, whole: int, seed: int = 12) -> Iterator[bytes]:
    """So many copies with one to four bits flipped; of `whole` + 1 copies one is cut short too."""
    draw = Random(seed)
    for _ in range(times):
        changed = bytearray(data)
        for _ in range(draw.randint(1, 4)):
            changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        yield bytes(changed[: draw.choice([*[None] * whole, draw.randrange(len(data))])])
