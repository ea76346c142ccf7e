"""Ctrl-C, at any moment: one line, exit status 130, and nothing half written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.nets import command, write_net

WHILE_LOADING = """
import sys
from importlib.abc import MetaPathFinder


class Stop(MetaPathFinder):
    def find_spec(self, name, *rest):
        if name == "{}":
            raise KeyboardInterrupt


sys.meta_path.insert(0, Stop())
sys.argv = ["caffe2py", "show", "net.prototxt"]
from caffe2py.cli import main
main()
"""


@pytest.mark.parametrize("module", ["click", "caffe2py.cli.group", "caffe2py.cli.commands.show", "caffe2py.graph.load"])
def test_while_it_loads(module: str, tmp_path: Path) -> None:
    write_net(tmp_path)
    script = WHILE_LOADING.format(module)
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "caffe2py: stopped")


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("convert NET WEIGHTS -o out.pt", "caffe2py.backends.files.pt_file.save"),
        ("convert NET WEIGHTS -o out.onnx", "caffe2py.backends.files.onnx_file.write"),
        ("archive create NET WEIGHTS -o out.tar", "caffe2py.archive.contents.contents.verify"),
        ("record NET WEIGHTS -o out.npz", "caffe2py.proof.record.write_dump"),
    ],
)
def test_in_the_middle(words: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    net, weights = write_net(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr(place, stop)
    done = command(*words.replace("NET", str(net)).replace("WEIGHTS", str(weights)).split())
    assert (done.status, done.out, done.err.strip()) == (130, "", "caffe2py: stopped")
    assert sorted(tmp_path.iterdir()) == before
