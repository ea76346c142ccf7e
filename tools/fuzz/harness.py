"""One reader, or "all" of them, under atheris: python -m tools.fuzz.harness READER CORPUS [libFuzzer's options]

A file of mutated bytes goes to the reader; whatever is not `CaffeError` ends the run, and so does a file that takes
longer, or more memory, than libFuzzer was told to allow. For "all" the first byte of a file names its reader.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import atheris


def main() -> None:
    reader, corpus, *options = sys.argv[1:]
    with atheris.instrument_imports(include=["caffe2py"]):
        from caffe2py.errors import CaffeError
        from tools.fuzz.readers import READERS
        from tools.fuzz.seeds import write_seeds

    warnings.simplefilter("error")
    logging.disable()
    names = list(READERS)
    write_seeds(Path(corpus))
    with tempfile.TemporaryDirectory() as folder:

        def read(name: str, data: bytes) -> None:
            function, ending = READERS[name]
            path = Path(folder) / f"file{ending}"
            path.write_bytes(data)
            with contextlib.suppress(CaffeError):
                function(path)

        def any_reader(data: bytes) -> None:
            if data:
                read(names[data[0] % len(names)], data[1:])

        one: Callable[[bytes], None] = any_reader if reader == "all" else lambda data: read(reader, data)
        place = _mixed(Path(corpus), names) if reader == "all" else Path(corpus) / reader
        atheris.Setup([sys.argv[0], *options, str(place)], one)
        atheris.Fuzz()


def _mixed(corpus: Path, names: list[str]) -> Path:
    """Every reader's files in one folder, each with its reader's number before it."""
    mixed = corpus / "all"
    mixed.mkdir(exist_ok=True)
    for i, name in enumerate(names):
        for path in (corpus / name).iterdir():
            (mixed / f"{name}-{path.name}").write_bytes(bytes([i]) + path.read_bytes())
    return mixed


if __name__ == "__main__":
    main()
