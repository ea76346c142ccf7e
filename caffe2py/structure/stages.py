"""Stages: blocks of one kind that follow each other, as their numbers tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from caffe2py.structure.names import stage
from caffe2py.structure.parts import Parts
from caffe2py.structure.tree import Item, Row, Use


def stages(parts: Parts, row: Row) -> Iterator[Sequence[Item]]:
    """A row in pieces: the blocks of a stage together, those without numbers too; every other item alone."""

    def kind(numbered: tuple[int, Item]) -> tuple[Any, ...]:
        number, item = numbered
        if not isinstance(item, Use):
            return (number,)
        title = parts.title(item.leaves)
        return item.of, title != stage(title) and stage(title)

    return ([item for _, item in some] for _, some in groupby(enumerate(row), key=kind))


def stage_title(titles: Sequence[str]) -> str:
    """`conv2_1 … conv2_3`"""
    return titles[0] if len(titles) == 1 else f"{titles[0]} … {titles[-1]}"
