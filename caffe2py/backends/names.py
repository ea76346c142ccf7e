"""Caffe's names as Python identifiers: readable, distinct, and never a keyword.

Everything that gets a name in emitted text gets it from a `Namer`, one for each scope: the module, the class, the
variables of `forward`.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections import Counter
from collections.abc import Callable, Iterable

UNNAMED = "unnamed"  # what is called by signs alone
# What emitted files import and define.
FILE_NAMES = frozenset(
    "torch nn F Tensor Path json inf nan load read_safetensors WEIGHTS INPUT_SIZE CHANNELS MEAN SCALE DIVISORS".split()
)
LETTERS = "xyzuvwpqrst"  # what variables are called, the first that is free first
RESERVED = frozenset({"self", *FILE_NAMES, *keyword.kwlist, *keyword.softkwlist, *dir(builtins)})


def spelled(name: str) -> str:
    """The name in ASCII, letters of other scripts spelled out: `卷积` as `JuanJi`, `Größe` as `Grosse`."""
    if name.isascii():
        return name
    from anyascii import anyascii  # here, because few nets need it

    return str(anyascii(name))


def identifier(name: str) -> str:
    """`conv1/7x7_s2` as `conv1_7x7_s2`, `3x3` as `_3x3`; a name without a letter or digit as `unnamed`."""
    word = re.sub(r"\W+", "_", spelled(name), flags=re.ASCII).strip("_") or UNNAMED  # two _ in front: a class hides it
    return f"_{word}" if word[0].isdigit() else word


class Namer:
    """Gives each name once: a second `conv1` becomes `conv1_2`. `spell` makes a Caffe name fit to be one."""

    def __init__(self, taken: Iterable[str] = RESERVED, spell: Callable[[str], str] = identifier) -> None:
        self._taken = set(taken)
        self._spell = spell
        self._last: Counter[str] = Counter()  # the last number that was put behind a word

    def __call__(self, name: str) -> str:
        word = found = self._spell(name)
        while found in self._taken:
            self._last[word] += 1
            found = f"{word}_{self._last[word] + 1}"
        self._taken.add(found)
        return found

    def free(self, name: str) -> bool:
        """Has nothing this name yet?"""
        return self._spell(name) not in self._taken
