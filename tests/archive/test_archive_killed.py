"""Bundles whose making was killed, or given up."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from caffe2py.archive import check, create
from caffe2py.errors import CaffeError
from caffe2py.proto.disk.staging import PARTIAL
from tests.helpers.absent import needs
from tests.helpers.nets import TINY, write_net

KILLED = """
import os, signal, sys, time
from caffe2py.archive import checking, making
from caffe2py.archive.contents import contents
out, net = sys.argv[1], sys.argv[2:4]
points = [(contents, "write_translation"), (contents, "write_proof"), (contents, "write_json"),
          (making, "move_into_tar"), (making, "publish")]

def kill(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

def after(function):
    def run(*args, **kwargs):
        function(*args, **kwargs)
        kill()
    return run

def attempt(name, prepare, delay=None):
    child = os.fork()
    if not child:
        prepare()
        making.create(*net, out)
        os._exit(0)
    if delay is not None:
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    whole = os.path.exists(out)
    print(name, os.WIFSIGNALED(status), whole, not whole or checking.check(out, files_only=True).ok, flush=True)
    if whole:
        os.unlink(out)

for module, function in points:
    attempt(function, lambda: setattr(module, function, kill))
attempt("published", lambda: setattr(making, "publish", after(making.publish)))
for i in range(6):
    attempt(f"delay-{i}", lambda: None, 0.03 * 2**i)
"""


@needs(hasattr(os, "fork"), "fork: moments are chosen in a forked process")
def test_killed_at_any_moment_there_is_nothing_or_all_of_it(tmp_path: Path) -> None:
    net = write_net(tmp_path, TINY)
    out = tmp_path / "out" / "tiny.tar"
    out.parent.mkdir()
    words = [sys.executable, "-W", "ignore", "-c", KILLED, str(out), *map(str, net)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, env=env, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len(lines) == 12 and all(line[3] == "True" for line in lines), done.stdout
    assert [line[:3] for line in lines[:6]] == [
        [name, "True", str(name == "published")]
        for name in ("write_translation", "write_proof", "write_json", "move_into_tar", "publish", "published")
    ]
    create(*net, out)
    assert [f.name for f in out.parent.iterdir()] == ["tiny.tar"], "leftovers are removed by the next one"
    assert check(out, files_only=True).ok


def test_a_proof_that_nobody_waits_for_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from caffe2py.archive.contents import contents

    steps = []

    def proof(graph: object, folder: object, against: object, seed: int, progress: contents.Progress) -> None:
        for step in progress(range(1000), "proving", 1000):
            steps.append(step)
            time.sleep(0.02)

    def translation(*args: object) -> None:
        raise CaffeError("stop")

    monkeypatch.setattr(contents, "write_proof", proof)
    monkeypatch.setattr(contents, "write_translation", translation)
    with pytest.raises(CaffeError, match="stop"):
        create(*write_net(tmp_path, TINY), tmp_path / "tiny.tar")
    assert len(steps) < 500
    assert not list(tmp_path.glob("*tar*"))


def test_a_running_one_is_no_leftover(tmp_path: Path) -> None:
    from caffe2py.proto.disk.staging import remove_leftovers, staged

    dead = tmp_path / f".x.abc{PARTIAL}"
    dead.mkdir()
    with staged(tmp_path / "y.tar") as folder:
        assert not dead.exists()
        assert remove_leftovers(tmp_path) == [] and folder.is_dir()
    assert list(tmp_path.iterdir()) == []
