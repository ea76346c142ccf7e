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


def begins(name: str, start: str) -> bool:
    """Does a name begin with these words?"""
    return name.startswith(start) and not name[len(start) :][:1].isalnum()


def bare(name: str) -> str:
    """`conv_stage0_block0` as `stage0_block0`, `inception_5b_1x1` as `inception_5b`"""
    word, _, rest = name.partition("_")
    return re.sub(r"[\W_]+\d+x\d+$", "", rest if word in GENERIC and rest[:1].isalpha() else name)


def without_type(name: str) -> str:
    """`layer3-conv` as `layer3`"""
    return re.sub(rf"[\W_]+({'|'.join(sorted(GENERIC))})$", "", name)


def says(name: str) -> bool:
    """Is it more than a number, or the word for a type?"""
    return any(map(str.isalpha, name)) and name.lower() not in GENERIC


def numbered(names: Sequence[str]) -> str:
    """What names share up to a number, before single letters: `conv_d0a` and `conv_d0b` share `d0`."""
    shared = start(names)
    rests = [name[len(shared) :] for name in names]
    alone = len(rests) > 1 and all(len(rest) == 1 and rest.isalpha() for rest in rests)
    return bare(shared) if alone and shared[-1:].isdigit() else ""


def stage(name: str) -> str:
    """What the titles of the blocks of a stage share.

    `conv2_1` conv2, `res4b12` res4, `inception_3a` inception_3, `stage1_unit2` stage1
    """
    for end in (r"(?<=\d)[a-z]\d*$", r"[\W_]+\d+$", r"(?<=\d)[\W_]+[a-z]+\d+$", r"\d+$"):
        if (shorter := re.sub(end, "", name)) != name:
            return "blocks" if shorter.lower() in GENERIC else shorter
    return name
