"""Caffe's names as Python identifiers: readable, distinct, and never a keyword."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Callable, Iterable

RESERVED = frozenset({"self", "torch", "nn", "F", "Tensor", *keyword.kwlist, *keyword.softkwlist, *dir(builtins)})


def identifier(name: str) -> str:
    """`conv1/7x7_s2` as `conv1_7x7_s2`, `3x3` as `_3x3`; an empty name as `_`."""
    word = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "_"
    return f"_{word}" if word[0].isdigit() else word


class Namer:
    """Gives each name once: a second `conv1` becomes `conv1_2`. `spell` makes a Caffe name fit to be one."""

    def __init__(self, taken: Iterable[str] = RESERVED, spell: Callable[[str], str] = identifier) -> None:
        self._taken = set(taken)
        self._spell = spell

    def __call__(self, name: str) -> str:
        word = self._spell(name)
        found, n = word, 1
        while found in self._taken:
            n += 1
            found = f"{word}_{n}"
        self._taken.add(found)
        return found

    def free(self, name: str) -> bool:
        """Has nothing this name yet?"""
        return self._spell(name) not in self._taken


def class_name(net: str) -> str:
    """The net's name as a class: `SE-ResNet-50` as `SEResNet50`, `tiny SENet` as `TinySENet`."""
    words = re.findall(r"[A-Za-z0-9]+", net)
    name = "".join(w[0].upper() + w[1:] for w in words) or "Net"
    name = f"Net{name}" if name[0].isdigit() else name
    return name if name not in RESERVED and name != "Module" else f"{name}Net"
