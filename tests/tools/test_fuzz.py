"""Mutated files for the readers: a fixed number of them in every run of the tests, and long runs by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.absent import needs_module
from tools.fuzz.__main__ import main
from tools.fuzz.readers import READERS
from tools.fuzz.seeds import write_seeds

needs_module("atheris", "atheris")

ROOT = Path(__file__).resolve().parents[2]

READER = """
import sys
from unittest import mock
import tools.fuzz.readers as readers
def broken(path):
    raise KeyError("of a reader")
readers.READERS = {"broken": (broken, ".labels")}
import tools.fuzz.harness
with mock.patch("tools.fuzz.seeds.write_seeds", lambda folder: (folder / "broken").mkdir()):
    tools.fuzz.harness.main()
"""


def test_readers(tmp_path: Path) -> None:
    """Nothing but `CaffeError`, within the limit of memory, and within a minute however busy the machine is."""
    # In a process between: one that is begun here would count this one's memory as its own.
    command = [sys.executable, "-m", "tools.fuzz", "all", "--runs", "1500", "--seconds", "60", "--found", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("all: 1500 files, peak ")


def test_an_error_of_a_reader_ends_the_run(tmp_path: Path) -> None:
    command = [sys.executable, "-c", READER, "broken", str(tmp_path), "-runs=5", f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "KeyError: 'of a reader'" in done.stdout
    assert list(tmp_path.glob("crash-*"))


def test_every_reader_has_seeds_that_it_reads(tmp_path: Path) -> None:
    write_seeds(tmp_path)
    for name, (read, _) in READERS.items():
        made = sorted(tmp_path.glob(f"{name}/[0-9]-*"))
        assert made
        for path in made:
            read(path)


def test_unknown_reader() -> None:
    with pytest.raises(SystemExit, match='no reader "onx"; there are prototxt, upgrade'):
        main(["onx"])
