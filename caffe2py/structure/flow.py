"""Who reads whom, and what that alone tells: where branches meet, and what follows in a row."""

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
    def meets(self) -> list[int]:
        """For each the first that every way from it to the net's end goes through (its post-dominator)."""
        n = len(self.before)
        meets = [n] * (n + 1)
        for a in reversed(range(n)):
            ways = [*self.next[a], *([n] if a in self.ends or not self.next[a] else [])]
            found = ways[0]
            for b in ways[1:]:
                while found != b:
                    found, b = (meets[found], b) if found < b else (found, meets[b])
            meets[a] = found
        return meets

    def branches(self, fork: int) -> tuple[int, ...]:
        """What lies between a fork and where its branches meet, with that; nothing where something else leads in."""
        meet = self.meets[fork]
        if meet == len(self.before):
            return ()
        inside: list[int] = []
        reached = {fork}
        for b in range(fork + 1, meet + 1):
            if any(a in reached for a in self.before[b]):
                if not all(a in reached for a in self.before[b]):
                    return ()
                reached.add(b)
                inside.append(b)
        return tuple(inside)

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
