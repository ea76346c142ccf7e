"""What layers' names have in common."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

GENERIC = frozenset("conv bn scale relu fc pool norm".split())  # what says no more than the type


def start(texts: Sequence[str]) -> str:
    """The letters that all begin with."""
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*texts, strict=False))
    return "".join(letters[0] for letters in alike)


def shared_name(names: Sequence[str]) -> str:
    """What the names begin with, up to a sign between words: `conv2_1/a` and `conv2_1/b` share `conv2_1`."""
    shared = start(names)
    if shared[-1:].isalnum() and any(name[len(shared) :][:1].isalnum() for name in names):
        shared = re.sub(r"[^\W_]+$", "", shared)
    return re.sub(r"[\W_]+$", "", shared)


def stage(name: str) -> str:
    """What the titles of the blocks of a stage share: `conv2_1` conv2, `res4b12` res4, `inception_3a` inception_3."""
    for end in (r"(?<=\d)[a-z]\d*$", r"[\W_]+\d+$", r"\d+$"):
        if (shorter := re.sub(end, "", name)) != name:
            return "blocks" if shorter.lower() in GENERIC else shorter
    return name
