"""Timing whole commands against each other: several rounds, every command once a round."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
HEADS = ("command", "seconds", "of processors", "limit", "of it", "MiB", "limit", "of it")


@dataclass(frozen=True)
class Cost:
    """What one run took: wall-clock seconds, the largest memory it held in bytes, and seconds of processors."""

    seconds: float
    memory: int
    busy: float


def run(words: Sequence[str]) -> Cost:
    """Run a command to its end, as the system accounts for it; its output is read and thrown away."""
    start = os.times().elapsed
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"failed with status {process.returncode}: {' '.join(words)}")
    return Cost(os.times().elapsed - start, usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime)


def rounds(commands: Mapping[str, Sequence[str]], count: int = 5) -> dict[str, Cost]:
    """The least time and the most memory of `count` rounds, in each of which every command runs once.

    One more round warms up. The least, since other work on the machine can only make a round longer.
    """
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for number in range(count + 1):
        for name, words in commands.items():
            cost = run(words)
            if number:
                costs[name].append(cost)
    return {
        name: Cost(min(c.seconds for c in all_), max(c.memory for c in all_), min(c.busy for c in all_))
        for name, all_ in costs.items()
    }


@contextmanager
def senet154() -> Iterator[Path]:
    """A folder, removed at the end, with SENet-154 at full size: net.prototxt and net.caffemodel (461 MB).

    Another process makes it: a command that is started counts what its starter held, so that must stay small.
    """
    with tempfile.TemporaryDirectory(prefix="caffe2py-bench-") as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-m", "tools.make_net", "SENet-154", name], check=True)
        yield folder


def own_seconds() -> float:
    """Seconds of processors: of this process, and of what it started and saw end."""
    return sum(os.times()[:4])


def spread(ratios: Sequence[float]) -> str:
    """The least and the most of several rounds."""
    return f"{min(ratios):.2f} to {max(ratios):.2f}"


def plain(what: str, cost: Cost) -> Sequence[str]:
    """A row of `HEADS` for a command that others are held against."""
    return what, f"{cost.seconds:.2f}", f"{cost.busy:.2f}", "", "", f"{cost.memory / MIB:.0f}", "", ""


def held(what: str, cost: Cost, limit: float, said: str, memory: float = 0, memory_said: str = "") -> Sequence[str]:
    """A row of `HEADS` for a command with a limit on its seconds, and on its bytes of memory where there is one."""
    row = list(plain(what, cost))
    row[3:5] = f"{limit:.2f} = {said}", f"{cost.seconds / limit:.2f}"
    if memory:
        row[6:8] = f"{memory / MIB:.0f} = {memory_said}", f"{cost.memory / memory:.2f}"
    return row
