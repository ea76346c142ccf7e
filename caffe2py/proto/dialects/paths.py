"""Steps of a path such as ``sampler[1].min_scale`` through a message."""

from __future__ import annotations

from typing import Any


def step(text: str) -> tuple[str, int]:
    """The name and the index of a step: ``sampler[1]`` is the second block of that name."""
    name, _, index = text.partition("[")
    return name, int(index.rstrip("]") or 0)


def inside(message: Any, name: str, index: int) -> Any:
    """The block of that name and index, made where it is not there yet."""
    inner = getattr(message, name)
    if not message.DESCRIPTOR.fields_by_name[name].is_repeated:
        inner.SetInParent()
        return inner
    while len(inner) <= index:
        inner.add()
    return inner[index]
