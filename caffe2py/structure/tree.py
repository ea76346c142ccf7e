"""A net as a tree: rows of layers, and regions in which branches part and meet again.

    a -> b, c      b -> d      c, d -> e      e -> f

    row  a  [b d | c -> e]  f

A region lies between a thing that several read and one where ways from it meet, which is its last: nothing leads into
it but from the first, and nothing out of it but from the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from caffe2py.structure.flow import Flow

DEEPEST = 20  # regions in each other


@dataclass(frozen=True)
class Region:
    """Branches, in the order in which `join` reads them; a branch without rows is what the region starts from."""

    branches: tuple[Body, ...]
    join: int


@dataclass(frozen=True)
class Use:
    """A block, by number, in the place of its layers. `leaves`: None for a layer that this one lacks."""

    of: int
    leaves: tuple[int | None, ...]


Item = int | Region | Use
Row = tuple[Item, ...]
Body = tuple[Row, ...]  # in the order in which they run; one row, unless the branches are tangled


def tree(flow: Flow, reads: Sequence[Sequence[int]]) -> Body:
    """The whole flow. `reads`: what each thing reads, in its own order, once for each time.

    A region whose branches are tangled counts only where nothing outside reads its fork, and none counts in which
    regions are nested too deeply.
    """
    depth = [0] * len(flow.before)  # how deeply regions are nested in the largest that each thing is in
    outer: dict[int, _Piece] = {b: ((b,), b) for b in range(len(flow.before))}  # the largest so far that each is in
    for fork, inside in flow.regions():
        join = inside[-1]
        deep = 1 + max(depth[b] for b in inside)
        if deep > DEEPEST:
            continue
        parts = _parted(flow, _distinct(outer[b] for b in inside[:-1]))
        branches = [_body(flow, part) for part in parts]
        if any(len(branch) > 1 for branch in branches) and not set(inside).issuperset(flow.next[fork]):
            continue
        for b in inside:
            depth[b] = deep
        home = {b: branch for part, branch in zip(parts, branches, strict=True) for things, _ in part for b in things}
        region = Region(tuple(dict.fromkeys(home.get(a, ()) for a in reads[join])), join)
        outer.update(dict.fromkeys(inside, (inside, region)))
    return _body(flow, _distinct(outer.values()))


_Piece = tuple[tuple[int, ...], Item]  # the things in it, and it


def _distinct(pieces: Iterable[_Piece]) -> list[_Piece]:
    """Each piece once, in the order of their last things."""
    return sorted({things[-1]: (things, item) for things, item in pieces}.values(), key=lambda piece: piece[0][-1])


def _body(flow: Flow, pieces: Sequence[_Piece]) -> Body:
    return tuple(tuple(pieces[i][1] for i in row) for row in flow.chains([things for things, _ in pieces]))


def _parted(flow: Flow, pieces: Sequence[_Piece]) -> list[list[_Piece]]:
    """Pieces that hang together, in groups."""
    home = {b: i for i, (things, _) in enumerate(pieces) for b in things}
    group = list(range(len(pieces)))

    def root(i: int) -> int:
        while group[i] != i:
            group[i] = group[group[i]]
            i = group[i]
        return i

    for i, (things, _) in enumerate(pieces):
        for b in things:
            for a in flow.before[b]:
                if a in home:
                    group[root(home[a])] = root(i)
    found: dict[int, list[_Piece]] = {}
    for i, piece in enumerate(pieces):
        found.setdefault(root(i), []).append(piece)
    return list(found.values())


def leaves(items: Sequence[Item]) -> Iterator[int | None]:
    """The things in a row, branch by branch; None for one that a block lacks."""
    for item in items:
        if isinstance(item, Use):
            yield from item.leaves
        elif isinstance(item, Region):
            yield from chain.from_iterable(leaves(row) for branch in item.branches for row in branch)
            yield item.join
        else:
            yield item


def rows(body: Body) -> Iterator[Row]:
    """All rows of a body, those of its regions included."""
    for row in body:
        yield row
        for item in row:
            if isinstance(item, Region):
                for branch in item.branches:
                    yield from rows(branch)
