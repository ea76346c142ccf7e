"""Make random nets and run them: `python -m tools.random_nets --count 1000`

Without an option each net that Caffe takes runs in float64, exact, flat and as ONNX, which have to agree. With
--against-caffe COMMAND, an interpreter that imports a real pycaffe, every net runs there and here.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from caffe2py.errors import CaffeError
from tools.random_nets.against import OURS, compare, run_in, write_nets
from tools.random_nets.making import RandomNet, random_net, types_of_nets
from tools.random_nets.views import differences, graph_of

BAR = 1e-5  # float32 against float64: a sum of n products errs by about sqrt(n) * 6e-8 of the largest term


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    unknown = set(options.types or ()) - set(types_of_nets())
    if unknown:
        raise SystemExit(f"no nets are made of {', '.join(sorted(unknown))}; there are {', '.join(types_of_nets())}")
    nets = [random_net(seed, options.types) for seed in range(options.first, options.first + options.count)]
    if options.show:
        print("\n".join(net.text for net in nets))
        return 0
    figures: Counter[str] = Counter()
    lines = _against(nets, options, figures) if options.against_caffe else _here(nets, figures)
    for net, line in lines:
        figures["differ"] += 1
        print(f"{net.seed} ({', '.join(net.types)}): {line}", flush=True)
    print(", ".join(f"{count} {word}" for word, count in figures.items()) or "nothing was run")
    return 1 if figures["differ"] else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.random_nets", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=500, metavar="N", help="how many nets (default: 500)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first net's seed (default: 0)")
    parser.add_argument("--types", nargs="+", metavar="TYPE", help="layer types to choose from (default: all)")
    parser.add_argument("--show", action="store_true", help="print the nets, run nothing")
    parser.add_argument("--against-caffe", metavar="COMMAND", help="an interpreter that imports a real pycaffe")
    parser.add_argument("--keep", metavar="FOLDER", help="keep nets and results of both Caffes there")
    return parser


def _here(nets: list[RandomNet], figures: Counter[str]) -> Iterator[tuple[RandomNet, str]]:
    for net in nets:
        try:
            found = differences(graph_of(net), net.arrays())
        except CaffeError:
            figures["refused"] += 1
            continue
        figures["ran"] += 1
        figures["made a NaN, and were not compared"] += not found
        for way, gap in found.items():
            if not gap <= BAR:
                yield net, f"{way} differs by {gap:.1e}"


def _against(
    nets: list[RandomNet], options: argparse.Namespace, figures: Counter[str]
) -> Iterator[tuple[RandomNet, str]]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.keep or temporary)
        write_nets(nets, folder / "nets")
        theirs = run_in(shlex.split(options.against_caffe), folder / "nets", folder / "caffe", _progress("Caffe"))
        ours = run_in(OURS, folder / "nets", folder / "ours", _progress("ours"))
    for net in nets:
        a, b = ours[f"{net.seed:08}"], theirs[f"{net.seed:08}"]
        figures["refused by both"] += bool(a.refused and b.refused)
        figures["run by both"] += not (a.refused or b.refused)
        figures["with gradients of both"] += bool(a.gradients and b.gradients)
        for line in compare(a, b, list(net.arrays().values())):
            yield net, line


def _progress(who: str) -> Callable[[int], None] | None:
    def tell(done: int) -> None:
        print(f"{who}: {done} nets", end="\r", file=sys.stderr, flush=True)

    return tell if sys.stderr.isatty() else None


if __name__ == "__main__":
    sys.exit(main())
