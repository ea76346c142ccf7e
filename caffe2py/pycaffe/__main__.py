"""Run a script that says `import caffe`: `python -m caffe2py.pycaffe script.py args`, or `-m module args`.

The name `caffe`, and those of its modules, mean caffe2py.pycaffe in that process, and nowhere else.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

OURS, THEIRS = "caffe2py.pycaffe", "caffe"


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `caffe` and `caffe.io` as caffe2py.pycaffe and caffe2py.pycaffe.io: the same modules, not copies."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] != THEIRS:
            return None
        real = OURS + fullname.removeprefix(THEIRS)
        if importlib.util.find_spec(real) is None:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=fullname == THEIRS)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return importlib.import_module(OURS + spec.name.removeprefix(THEIRS))

    def exec_module(self, module: ModuleType) -> None:
        """It has run already."""


def main() -> None:
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python -m caffe2py.pycaffe script.py [args]\n       python -m caffe2py.pycaffe -m module [args]")
        sys.exit(0 if arguments else 2)
    sys.meta_path.insert(0, Finder())
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        sys.path.insert(0, "")
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        sys.path[0] = str(Path(arguments[0]).resolve().parent)
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main()
