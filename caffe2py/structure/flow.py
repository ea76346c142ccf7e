"""Who reads whom, and what that alone tells: where branches part and meet again, and what follows in a row."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Flow:
    """Things in the order in which they run, by position.

    `before` are those that each reads, `next` those that read it, `ends` those that make an output of the net.
    """

    before: Sequence[Collection[int]]
    next: Sequence[Collection[int]]
    ends: Collection[int]

    @classmethod
    def of(cls, before: Sequence[Collection[int]], ends: Collection[int]) -> Flow:
        """The flow of things of which each says what it reads."""
        after: list[set[int]] = [set() for _ in before]
        for i, read in enumerate(before):
            for a in read:
                after[a].add(i)
        return cls(before, after, ends)

    @cached_property
    def doors(self) -> list[int]:
        """For each the last that every way to it goes through (its dominator); -1 where there is none."""
        doors: list[int] = []
        for read in self.before:
            ways = iter(read)
            found = next(ways, -1)
            for b in ways:
                while found != b:
                    found, b = (doors[found], b) if found > b else (found, doors[b])
            doors.append(found)
        return doors

    def regions(self) -> list[tuple[int, tuple[int, ...]]]:
        """Forks, each with what lies between it and where its branches meet, with that; smaller regions first.

        Nothing leads into a region but from its fork, and nothing out of it but from its last thing.
        """
        found = []
        for join, fork in enumerate(self.doors):
            if fork < 0 or len(self.before[join]) < 2:
                continue
            inside = {join}
            waiting = [join]
            while waiting:
                new = set(self.before[waiting.pop()]) - inside - {fork}
                waiting += new
                inside |= new
            if all(b == join or (b not in self.ends and inside.issuperset(self.next[b])) for b in inside):
                found.append((fork, tuple(sorted(inside))))
        return sorted(found, key=lambda region: len(region[1]))

    def chains(self, items: Sequence[Sequence[int]]) -> list[list[int]]:
        """The items, by number, in rows: each reads the one before it in its row alone, and alone reads it.

        An item is a group of things, the last of which is what others read of it; items come in the order of their
        last things. Readers that are in no item count too.
        """
        home = {b: i for i, item in enumerate(items) for b in item}
        after = [self._others(item, home, i, self.next) for i, item in enumerate(items)]
        into = [self._others(item, home, i, self.before) for i, item in enumerate(items)]
        final = [any(b in self.ends for b in item) for item in items]

        def follows(i: int) -> int | None:
            """The item that alone reads item i, and reads nothing else."""
            if len(after[i]) != 1 or final[i]:
                return None
            (j,) = after[i]
            return j if j >= 0 and into[j] == {i} else None

        later = [follows(i) for i in range(len(items))]
        rows = []
        for i in sorted(set(range(len(items))) - set(later)):
            row = [i]
            while (j := later[row[-1]]) is not None:
                row.append(j)
            rows.append(row)
        return rows

    @staticmethod
    def _others(item: Iterable[int], home: dict[int, int], own: int, ways: Sequence[Collection[int]]) -> set[int]:
        """The items that an item's things lead to; things outside all items as numbers below zero."""
        return {home.get(a, -1 - a) for b in item for a in ways[b]} - {own}
