"""What comes through a pipe is read once, and a command takes it as the file that it would be."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import caffe2py
from caffe2py.errors import CaffeError
from caffe2py.proto.disk.digests import digest
from tests.helpers.absent import needs
from tests.helpers.nets import command, write_net

pytestmark = needs(hasattr(os, "mkfifo"), "pipes that have names")
Fed = Callable[[Path], Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("files")
    net, weights = write_net(made)
    for suffix in ("h5", "npz"):
        assert command("record", net, weights, "-o", made / f"dump.{suffix}").status == 0
    np.save(made / "data.npy", np.zeros((2, 3, 9, 7), np.float32))
    assert command("convert", net, weights, "-o", made / "net.pt").status == 0
    return made


@pytest.fixture
def fed(tmp_path: Path) -> Fed:
    """A pipe that a file comes out of, once."""

    def feed(file: Path) -> Path:
        pipe = tmp_path / f"pipe{len(list(tmp_path.iterdir()))}"
        os.mkfifo(pipe)
        threading.Thread(target=lambda: pipe.write_bytes(file.read_bytes()), daemon=True).start()
        return pipe

    return feed


LINES = [
    "show net.prototxt",
    "show net.caffemodel",
    "show net.prototxt net.caffemodel --json",
    "identify net.prototxt net.caffemodel dump.h5",
    "convert net.prototxt net.caffemodel -o OUT.pt",
    "convert net.prototxt net.caffemodel -o OUT.onnx",
    "record net.prototxt net.caffemodel --from dump.h5 -o OUT.npz",
    "record net.prototxt net.caffemodel --from data.npy -o OUT.npz",
    "verify net.prototxt net.caffemodel --against dump.h5",
    "verify net.prototxt net.caffemodel --against dump.npz",
    "compare dump.h5 dump.npz",
    "upgrade net.prototxt -o OUT.prototxt",
    "upgrade net.caffemodel -o OUT.caffemodel",
    "archive create net.prototxt net.caffemodel -o OUT.tar",
]


@pytest.mark.parametrize("line", LINES)
def test_every_input_may_be_a_pipe(line: str, folder: Path, fed: Fed, tmp_path: Path) -> None:
    files = {f.name: f for f in folder.iterdir()}
    words = [str(tmp_path / w) if w.startswith("OUT") else w for w in line.split()]
    done = command(*(fed(files[w]) if w in files else w for w in words))
    assert (done.status, done.err) == (0, ""), done
    if line.startswith(("show", "compare")):
        assert done.out == command(*(files.get(w, w) for w in words)).out.replace(str(folder), str(tmp_path))


def test_a_dash_is_standard_input(folder: Path) -> None:
    words = [sys.executable, "-m", "caffe2py", "show", "--json"]
    net = folder / "net.prototxt"
    done = subprocess.run([*words, "-"], input=net.read_text(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, command("show", "--json", net).out), done


def test_messages_name_the_pipe(fed: Fed, tmp_path: Path) -> None:
    (tmp_path / "bad").write_text('name: "n"\nlayer {')
    pipe = fed(tmp_path / "bad")
    done = command("show", pipe)
    assert done.status == 1
    assert done.err.startswith(f"caffe2py: {pipe}:2:7: the block layer that opens here is never closed"), done


def test_the_functions_take_pipes(folder: Path, fed: Fed) -> None:
    graph = caffe2py.load(fed(folder / "net.prototxt"), fed(folder / "net.caffemodel"))
    assert caffe2py.verify(graph, fed(folder / "dump.h5")).ok
    assert caffe2py.compare(fed(folder / "dump.npz"), fed(folder / "dump.h5")).ok
    assert caffe2py.identify(fed(folder / "net.caffemodel")).kind.startswith("a caffemodel")
    assert len(caffe2py.load_torch(fed(folder / "net.pt"))(torch.zeros(2, 3, 9, 7))) == 2
    for name, kind in (("net.prototxt", "net"), ("net.caffemodel", "caffemodel")):
        assert caffe2py.upgrade(fed(folder / name), folder.parent / name).kind == kind


@needs(Path("/proc/self/fd").is_dir(), "a list of what this process has open")
def test_nothing_is_left_open(folder: Path, fed: Fed) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        caffe2py.load(fed(folder / "net.prototxt"))
    assert len(os.listdir("/proc/self/fd")) <= before + 1


@pytest.mark.parametrize(
    ("name", "said"),
    [("/dev/zero", "is a device; want a file"), ("a\0b", "no file can have this name"), ("none", "no such file")],
)
def test_what_is_no_file_and_no_pipe(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(CaffeError, match=said):
        caffe2py.load(name)
    done = command("show", name)
    assert (done.status, said in done.err) == (1, True)


def test_pipes_have_no_hash(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CaffeError, match="only files have hashes"):
        digest(tmp_path / "pipe")


@pytest.mark.parametrize("command_", ["convert", "upgrade"])
def test_no_output_goes_into_a_pipe(command_: str, folder: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out.caffemodel")
    weights = [] if command_ == "upgrade" else [folder / "net.caffemodel"]
    done = command(command_, folder / "net.prototxt", *weights, "-o", tmp_path / "out.caffemodel")
    assert done.status == 1 and "what stands there is no file" in done.err, done
