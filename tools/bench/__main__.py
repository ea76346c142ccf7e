"""Run the benchmarks named, or all, and put their tables into the handbook: `python -m tools.bench [NAME ...]`."""

from __future__ import annotations

import argparse
import pkgutil
import subprocess
import sys

import tools.bench
from tools.bench import figures, tables


def main() -> int:
    names = sorted(module.name for module in pkgutil.iter_modules(figures.__path__))
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=tools.bench.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(names)}")
    wanted = parser.parse_args().names or names
    if unknown := [name for name in wanted if name not in names]:
        parser.error(f'no benchmark "{unknown[0]}"; there are {", ".join(names)}')
    if len(wanted) > 1:  # each in a process of its own: the memory of this one would be counted with its children's
        runs = [subprocess.run([sys.executable, "-m", "tools.bench", name], check=False) for name in wanted]
        return int(any(done.returncode for done in runs))
    tables.keep(wanted[0], tables.measured(wanted[0]))
    for page in tables.PAGES:
        page.write_text(tables.filled(page.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
