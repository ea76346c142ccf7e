"""What is written appears whole or not at all, however it ends; a full disk is told as what it is."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from caffe2py.proto.disk import staging
from caffe2py.proto.disk.files import steady, written_whole
from tests.helpers.absent import absent, needs
from tests.helpers.nets import SMALL, write_net

ROOT = Path(__file__).parents[2]
NAMELESS = needs(hasattr(os, "O_TMPFILE"), "a system with files without a name")


@pytest.fixture(params=["nameless", "in a folder"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With files that have no name until they are whole, and as on systems without them."""
    if request.param != "nameless":
        monkeypatch.setattr(staging, "_nameless", lambda folder: None)
    return str(request.param)


@needs(os.name == "posix", "the modes of POSIX")
def test_a_file_keeps_its_mode_and_a_new_one_has_that_of_any_file(way: str, tmp_path: Path) -> None:
    (tmp_path / "old").write_text("before")
    (tmp_path / "old").chmod(0o640)
    (tmp_path / "plain").write_text("")
    for name in ("old", "new"):
        with written_whole(tmp_path / name) as made:
            made.write_text("after")
    modes = {f.name: f.stat().st_mode & 0o777 for f in tmp_path.iterdir()}
    assert modes == {"old": 0o640, "plain": modes["plain"], "new": modes["plain"]}
    assert (tmp_path / "old").read_text() == "after"


def test_what_was_begun_leaves_nothing(way: str, tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_text("before")
    with pytest.raises(KeyboardInterrupt), written_whole(tmp_path / "f.txt") as made:
        made.write_text("half")
        raise KeyboardInterrupt
    assert [(f.name, f.read_text()) for f in tmp_path.iterdir()] == [("f.txt", "before")]


BEGIN = """
import sys, time
from pathlib import Path
from caffe2py.proto.disk import staging
from caffe2py.proto.disk.files import written_whole
if sys.argv[2] != "nameless":
    staging._nameless = lambda folder: None
with written_whole(sys.argv[1]) as made:
    made.write_bytes(bytes(1 << 20))
    print("half", flush=True)
    time.sleep(60)
"""


@NAMELESS
@pytest.mark.parametrize("old", ["before", None])
def test_what_was_killed_leaves_nothing(way: str, old: str | None, tmp_path: Path) -> None:
    target = tmp_path / "f"
    if old:
        target.write_text(old)
    words = [sys.executable, "-c", BEGIN, str(target), way]
    with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=ROOT) as begun:
        assert begun.stdout is not None and begun.stdout.readline() == b"half\n"
        begun.send_signal(signal.SIGKILL)
    left = {f.name for f in tmp_path.iterdir()} - {"f"}
    assert bool(left) == (way != "nameless")
    assert target.exists() == (old is not None) and (not old or target.read_text() == old)
    with written_whole(target) as made:  # what is left, the next one removes
        made.write_text("after")
    assert [(f.name, f.read_text()) for f in tmp_path.iterdir()] == [("f", "after")]


def test_what_another_leaves_while_it_takes_a_place(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("before")
    (tmp_path / f".f.0123{staging.PARTIAL}").write_text("killed between two names")
    with written_whole(tmp_path / "f") as made:
        made.write_text("after")
    assert [(f.name, f.read_text()) for f in tmp_path.iterdir()] == [("f", "after")]


def test_a_steady_file_takes_all_and_tells_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with steady(tmp_path / "f") as file:
        assert file.write(b"abc") == 3 and file.seek(1) == 1 and file.read(2) == b"bc" and file.tell() == 3
        file.truncate(2)
    assert (tmp_path / "f").read_bytes() == b"ab"
    full = Path("/dev/full")
    if not full.exists():
        absent("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught, steady(full) as file:
        assert file.write(b"abc") == 3
        raise RuntimeError("what a library makes of it")
    assert caught.value.errno == errno.ENOSPC


WRITE_ALL = """
import resource, sys
from pathlib import Path
import caffe2py
from caffe2py.archive import create
from caffe2py.proof.record import noise, record
net, weights, out = map(Path, sys.argv[1:])
graph = caffe2py.load(net, weights)
inputs = noise(graph)
# A disk is as full as this for one file; SIGXFSZ is ignored by Python.
resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900))
def attempt(name, write):
    try:
        write(out / name)
        print(name, "was written")
    except caffe2py.CaffeError as error:
        print(error)
for suffix in "pt pt2 py onnx safetensors caffemodel h5".split():
    attempt(f"net.{suffix}", lambda path: caffe2py.convert(graph, path))
for suffix in ("h5", "npz"):
    attempt(f"dump.{suffix}", lambda path: record(graph, inputs, path))
attempt("net.tar", lambda path: create(net, weights, path))
attempt("folder", lambda path: create(net, weights, path))
"""


@needs(os.name == "posix", "limits of POSIX")
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    """Each kind of file: no crash, no word of a library's, no blame of an input."""
    net, weights = write_net(tmp_path, SMALL.replace("conv/1", "conv1"))
    out = tmp_path / "out"
    out.mkdir()
    words = [sys.executable, "-c", WRITE_ALL, str(net), str(weights), str(out)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=120)
    said = done.stdout.splitlines()
    assert done.returncode == 0 and len(said) == 11, done
    assert not [line for line in said if not (line.startswith(str(out)) and "cannot write: file too large" in line)]
    assert list(out.iterdir()) == []
