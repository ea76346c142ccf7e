"""Fuzz the readers of files from elsewhere: `python -m tools.fuzz [READER ...] --runs 100000`

What comes of a mutated file is the right result or a `CaffeError`. Any other error, more than --seconds or more than
1 GB for one file ends a reader's run, and the file is left in --found.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.fuzz.readers import READERS

MEGABYTES = 1024


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    for name in options.readers:
        if name not in {*READERS, "all"}:
            raise SystemExit(f'no reader "{name}"; there are {", ".join(READERS)}, and all, which mixes them')
    options.found.mkdir(parents=True, exist_ok=True)
    failed = [name for name in options.readers or READERS if not _run(name, options)]
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = ", ".join(READERS)
    parser.add_argument("readers", nargs="*", metavar="READER", help=f"{names}, or all in one run (default: each)")
    parser.add_argument("--runs", type=int, default=10_000, metavar="N", help="executions of each (default: 10000)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the mutations (default: 1)")
    parser.add_argument("--seconds", type=int, default=5, metavar="N", help="for one file, by the clock (default: 5)")
    parser.add_argument("--found", type=Path, default=Path("fuzz"), metavar="FOLDER", help="where bad files go")
    return parser


def _run(name: str, options: argparse.Namespace) -> bool:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as corpus:
        limits = [
            f"-timeout={options.seconds}",
            f"-rss_limit_mb={MEGABYTES}",
            f"-artifact_prefix={options.found}/{name}-",
        ]
        command = [sys.executable, "-m", "tools.fuzz.harness", name, corpus, *limits]
        command += [f"-runs={options.runs}", f"-seed={options.seed}", "-print_final_stats=1"]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    runs = re.search(r"stat::number_of_executed_units: (\d+)", done.stderr)
    peak = re.search(r"stat::peak_rss_mb: +(\d+)", done.stderr)
    figures = f"{runs[1] if runs else 'no'} files, peak {peak[1] if peak else '?'} MB"
    if done.returncode == 0:
        print(f"{name}: {figures}", flush=True)
        return True
    kept = re.search(r"Test unit written to (.*)", done.stderr)
    why = done.stdout.strip() or done.stderr.strip()[-2000:]  # a Python error, or libFuzzer's word on time or memory
    print(f"{name}: FAILED after {figures}; the file is {kept[1] if kept else 'lost'}\n{why}", flush=True)
    return False


if __name__ == "__main__":
    sys.exit(main())
