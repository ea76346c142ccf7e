"""Run the benchmarks named, or all: `python -m tools.bench [NAME ...]`."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys

import tools.bench

NO_BENCHMARK = {"__main__", "measure", "nets"}


def main() -> int:
    names = sorted(m.name for m in pkgutil.iter_modules(tools.bench.__path__) if m.name not in NO_BENCHMARK)
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=tools.bench.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(names)}")
    for name in parser.parse_args().names or names:
        if name not in names:
            parser.error(f'no benchmark "{name}"; there are {", ".join(names)}')
        print(f"\n{name}", flush=True)
        importlib.import_module(f"tools.bench.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
