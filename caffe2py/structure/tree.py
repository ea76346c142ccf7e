"""A net as a tree: rows of layers, and regions in which branches part and meet again.

    a -> b, c      b -> d      c, d -> e      e -> f

    row  a  [b d | c -> e]  f

A region lies between a thing that several read and the one where all ways from it have met, which is its last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Generic, TypeVar

from caffe2py.structure.flow import Flow

U = TypeVar("U")  # what stands for a block that was found


@dataclass(frozen=True)
class Region:
    """Branches, in the order in which `join` reads them; a branch without rows is what the region starts from."""

    branches: tuple[Body, ...]
    join: int


@dataclass(frozen=True)
class Use(Generic[U]):
    """A block in the place of its layers. `leaves`: None for a layer that this one lacks."""

    of: U
    leaves: tuple[int | None, ...]


Item = int | Region | Use[int]
Row = tuple[Item, ...]
Body = tuple[Row, ...]  # in the order in which they run; one row, unless the branches are tangled


def tree(flow: Flow, reads: Sequence[Sequence[int]]) -> Body:
    """The whole flow. `reads`: what each thing reads, in its own order, once for each time."""
    forks = {a: inside for a in range(len(flow.before)) if len(flow.next[a]) > 1 and (inside := flow.branches(a))}
    innermost: dict[int, int] = {}  # thing -> fork of the smallest region that it is in
    children: dict[int, list[int]] = {fork: [] for fork in [-1, *forks]}
    for fork in sorted(forks, key=lambda a: len(forks[a])):
        for b in forks[fork]:
            innermost.setdefault(b, fork)
    by_size = sorted(forks, key=lambda a: len(forks[a]))
    for i, fork in enumerate(by_size):
        join = forks[fork][-1]
        parent = next((other for other in by_size[i + 1 :] if join in forks[other] and join != other), -1)
        children[parent].append(fork)
    direct: dict[int, list[int]] = {fork: [] for fork in children}
    for b in range(len(flow.before)):
        direct[innermost.get(b, -1)].append(b)

    def region(fork: int) -> Region:
        join = forks[fork][-1]
        parts = [part for part in _parted(flow, scope(fork, join)) if part]
        home = {b: part_number for part_number, part in enumerate(parts) for group in part for b in group}
        order = list(dict.fromkeys(home.get(a, -1) for a in reads[join]))
        return Region(tuple(body(parts[i]) if i >= 0 else () for i in order), join)

    def scope(fork: int, join: int | None) -> list[tuple[int, ...]]:
        """The things and regions right inside, in the order of their last things."""
        items: list[tuple[int, ...]] = [(b,) for b in direct[fork] if b != join]
        items += [forks[child] for child in children[fork]]
        return sorted(items, key=lambda item: item[-1])

    regions = {forks[fork]: fork for fork in forks}

    def body(items: list[tuple[int, ...]]) -> Body:
        def item(group: tuple[int, ...]) -> Item:
            return region(regions[group]) if group in regions else group[0]

        return tuple(tuple(item(items[i]) for i in row) for row in flow.chains(items))

    return body(scope(-1, None))


def _parted(flow: Flow, items: list[tuple[int, ...]]) -> list[list[tuple[int, ...]]]:
    """Items that hang together, in groups."""
    home = {b: i for i, item in enumerate(items) for b in item}
    group = list(range(len(items)))

    def root(i: int) -> int:
        while group[i] != i:
            group[i] = group[group[i]]
            i = group[i]
        return i

    for i, item in enumerate(items):
        for b in item:
            for a in flow.before[b]:
                if a in home:
                    group[root(home[a])] = root(i)
    found: dict[int, list[tuple[int, ...]]] = {}
    for i, item in enumerate(items):
        found.setdefault(root(i), []).append(item)
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


def rebuilt(body: Body, change: Callable[[Row], Row]) -> Body:
    """The body with every row changed, those of regions first."""

    def again(item: Item) -> Item:
        if isinstance(item, Region):
            return Region(tuple(rebuilt(branch, change) for branch in item.branches), item.join)
        return item

    return tuple(change(tuple(again(item) for item in row)) for row in body)
