"""Timing whole commands against each other: several rounds, every command once a round, medians and ratios."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


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
    """Medians over `count` rounds, in each of which every command runs once; one more round warms up."""
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for number in range(count + 1):
        for name, words in commands.items():
            cost = run(words)
            if number:
                costs[name].append(cost)
    return {
        name: Cost(
            statistics.median(c.seconds for c in list_),
            max(c.memory for c in list_),
            statistics.median(c.busy for c in list_),
        )
        for name, list_ in costs.items()
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


def report(what: str, cost: Cost, limit: float, limit_said: str, memory: float = 0, memory_said: str = "") -> None:
    """One line: seconds against their limit, and memory against its own where there is one."""
    line = f"  {what:<24} {cost.seconds:6.2f} s  limit {limit:6.2f} s = {limit_said}"
    if memory:
        line += f";  {cost.memory / MIB:5.0f} MiB  limit {memory / MIB:5.0f} MiB = {memory_said}"
    print(f"{line}  {kept(cost.seconds <= limit and (not memory or cost.memory <= memory))}", flush=True)


def kept(limit: bool) -> str:
    """How a limit that is kept, or not, is told."""
    return "kept" if limit else "NOT KEPT"
