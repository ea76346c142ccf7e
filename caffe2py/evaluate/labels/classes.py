"""The 1000 classes of ILSVRC2012, and the two orders in which nets and label files count them.

- devkit: the development kit's ID less 1. The SENet release and the ground truth of the challenge count so.
- synset: the place in the sorted list of wnids, as nearly every other net and label file has it.

No class has the same number in both. The wnid is the key: two names ("crane", "maillot") stand for two classes each.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from caffe2py.errors import CaffeError

ORDERS = ("devkit", "synset")
COUNT = 1000


@dataclass(frozen=True)
class ImageNetClass:
    """A class of ILSVRC2012 with its number (from 0) in each order."""

    devkit: int
    synset: int
    wnid: str
    name: str


@cache
def classes(order: str) -> tuple[ImageNetClass, ...]:
    """The 1000 classes in one order: class k of a net in that order is `classes(order)[k]`."""
    if order not in ORDERS:
        raise CaffeError(f'no class order "{order}"; want {" or ".join(ORDERS)}')
    rows = [
        ImageNetClass(int(row["devkit"]), int(row["synset"]), row["wnid"], row["name"])
        for row in _rows("imagenet_classes.csv")
    ]
    return tuple(sorted(rows, key=lambda row: row.synset if order == "synset" else row.devkit))


@cache
def numbers(order: str) -> Mapping[str, int]:
    """{wnid: number from 0} in one order."""
    return {c.wnid: number for number, c in enumerate(classes(order))}


@cache
def permutation(source: str, target: str) -> np.ndarray:
    """p with p[k] the number in the order `target` of class k of the order `source`."""
    there = numbers(target)
    return np.array([there[c.wnid] for c in classes(source)])


@cache
def validation_sample() -> Mapping[str, str]:
    """{file name without suffix: wnid} for some of the 50,000 validation images: enough to tell the order of a list."""
    return {row["image"]: row["wnid"] for row in _rows("validation_sample.csv")}


def _rows(name: str) -> list[dict[str, str]]:
    text = resources.files("caffe2py.evaluate").joinpath("data", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
