"""Bad files and wrong nets, each as a user meets it: one clear message, exit status 1, nothing written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from caffe2py.errors import CaffeError
from caffe2py.proto.weights.read import read_weights
from tests.helpers.absent import needs
from tests.helpers.nets import SMALL, command, graph_of, random_weights, write_net

Net = tuple[Path, Path]


def edited(old: str, new: str) -> Callable[[Net], Net]:
    """The net with its text changed, the weights as they were."""

    def change(net: Net) -> Net:
        text = net[0].read_text()
        assert old in text
        net[0].write_text(text.replace(old, new, 1))
        return net

    return change


def weights(change: Callable[[dict[str, list[np.ndarray]]], object]) -> Callable[[Net], Net]:
    """The net with its weights changed."""

    def write(net: Net) -> Net:
        blobs = random_weights(graph_of(SMALL))
        change(blobs)
        return write_net(net[0].parent, blobs=blobs)

    return write


def holding(index: int, data: bytes) -> Callable[[Net], Net]:
    """The net with one of its files holding these bytes."""

    def write(net: Net) -> Net:
        net[index].write_bytes(data)
        return net

    return write


def missing(index: int) -> Callable[[Net], Net]:
    def remove(net: Net) -> Net:
        net[index].unlink()
        return net

    return remove


def lying(net: Net) -> Net:
    """A blob whose shape claims more values than there are: the kernel's 3 made 4."""
    data = net[1].read_bytes()
    shape = bytes([5, 3, 3, 3])
    assert data.count(shape) == 1
    net[1].write_bytes(data.replace(shape, bytes([5, 3, 3, 4])))
    return net


BAD: dict[str, tuple[Callable[[Net], Net], str]] = {
    "no prototxt": (missing(0), "net.prototxt: no such file"),
    "no caffemodel": (missing(1), "net.caffemodel: no such file"),
    "a folder": (lambda net: (net[0].parent, net[1]), "is a directory"),
    "files swapped": (lambda net: (net[1], net[0]), "swap the two"),
    "empty prototxt": (holding(0, b""), "net.prototxt: "),
    "empty caffemodel": (holding(1, b""), "net.caffemodel: the file is empty"),
    "no protobuf": (holding(1, b"\x89PNG\r\n\x1a\n" + bytes(50)), "PNG"),
    "a web page for weights": (holding(1, b"<!DOCTYPE html><html><body>404</body></html>"), "net.caffemodel: "),
    "a pointer for weights": (
        holding(1, b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        "git-lfs pointer",
    ),
    "a length that lies": (lambda net: holding(1, net[1].read_bytes()[:200])(net), "net.caffemodel: "),
    "a shape that lies": (lying, "(5, 3, 3, 4)"),
    "typo in a type": (edited('type: "ReLU"', 'type: "Relu"'), 'did you mean "ReLU"?'),
    "typo in an enum": (edited("pool: AVE", "pool: AVG"), "net.prototxt:8:"),
    "typo in a number": (edited("num_output: 5", "num_output: 5x"), "net.prototxt:4:"),
    "a number that is text": (edited("num_output: 5", 'num_output: "5"'), "net.prototxt:4:"),
    "unclosed brace": (edited('bottom: "pool" top: "gate" }', 'bottom: "pool" top: "gate"'), "net.prototxt:11"),
    "10,000 nested braces": (edited("scale_param {", "scale_param " + "{ a " * 10_000), "net.prototxt:6:"),
    "weights missing": (weights(lambda b: b.pop("fc")), 'layer "fc" (InnerProduct): is not in'),
    "weights of a wrong count": (weights(lambda b: b["fc"].pop()), "holds 1 blobs"),
    "weights of a wrong shape": (
        weights(lambda b: b.update(fc=[b["fc"][0].reshape(5, 4), b["fc"][1]])),
        "weight is (5, 4)",
    ),
    "weights where none belong": (weights(lambda b: b.update(relu=[b["bn"][0]])), "has no weights"),
    "an overwrite that Caffe refuses": (
        edited('bottom: "pool" top: "gate"', 'bottom: "pool" top: "pool"'),
        'overwrites blob "pool"',
    ),
    "duplicate tops": (edited('top: "gate"', 'top: "prob"'), 'top 0 "prob" is already made'),
    "a bottom nobody makes": (edited('bottom: "fc"', 'bottom: "fk"'), 'bottom 0 "fk" is made by no layer'),
}


# Weights can be copied without knowing what a layer does.
COPIED = ("typo in a type", "safetensors")
WRITTEN = [(name, suffix) for suffix in ("pt", "safetensors") for name in BAD if (name, suffix) != COPIED]


@pytest.mark.parametrize(("name", "suffix"), WRITTEN)
def test_one_clear_message(name: str, suffix: str, tmp_path: Path) -> None:
    break_it, fact = BAD[name]
    net = break_it(write_net(tmp_path))
    before = sorted(tmp_path.iterdir())
    done = command("convert", *net, "-o", tmp_path / f"out.{suffix}")
    assert done.status == 1 and done.out == "", done
    assert fact in done.err and "Traceback" not in done.err, done.err
    assert done.err.startswith("caffe2py: ") and len(done.err) < 600, done.err
    assert sorted(tmp_path.iterdir()) == before


OUT: dict[str, tuple[str, int, str]] = {
    "no folder": ("nowhere/out.pt", 1, 'there is no folder "'),
    "a format nobody knows": ("out.xyz", 1, 'no format has the suffix ".xyz"'),
    "no suffix": ("out", 1, 'no format has the suffix ""'),
}


@pytest.mark.parametrize(("out", "status", "fact"), OUT.values(), ids=OUT)
def test_output_that_cannot_be(out: str, status: int, fact: str, tmp_path: Path) -> None:
    done = command("convert", *write_net(tmp_path), "-o", tmp_path / out)
    assert (done.status, done.out) == (status, "") and fact in done.err, done


def test_a_net_without_weights(tmp_path: Path) -> None:
    prototxt, _ = write_net(tmp_path)
    done = command("convert", prototxt, "-o", tmp_path / "out.pt")
    assert done.status == 1 and 'layer "conv/1" (Convolution): no weights were given' in done.err


@pytest.mark.parametrize(
    "words", [["convert"], ["frobnicate"], ["convert", "a", "b", "-o", "c.pt", "--input", "data=0"]]
)
def test_wrong_usage_is_status_2(words: list[str]) -> None:
    done = command(*words)
    assert done.status == 2 and "Usage" in done.err


def test_truncated_anywhere(tmp_path: Path) -> None:
    """Cut at every byte: an error, or, cut between two layers, fewer layers; those that are needed are then missed."""
    _, caffemodel = write_net(tmp_path)
    data = caffemodel.read_bytes()
    whole = len(read_weights(caffemodel).layers)
    cut = tmp_path / "cut.caffemodel"
    for size in range(len(data)):
        cut.write_bytes(data[:size])
        try:
            assert len(read_weights(cut).layers) < whole, size
        except CaffeError as error:
            assert "cut.caffemodel" in str(error)


@needs(sys.platform != "win32", "a limit on file size, to stand for a full disk")
@pytest.mark.parametrize("suffix", ["pt", "safetensors", "caffemodel", "py", "h5", "pt2"])
def test_a_full_disk_leaves_nothing(suffix: str, tmp_path: Path) -> None:
    """A limit on file size stands for the full disk: the write fails half-way."""
    net = write_net(tmp_path, SMALL.replace("conv/1", "conv1"))
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300));"
        "from caffe2py.cli import main; main()"
    )
    before = sorted(tmp_path.iterdir())
    words = [sys.executable, "-c", script, "convert", str(net[0]), str(net[1]), "-o", str(tmp_path / f"out.{suffix}")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1 and "cannot write" in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert sorted(tmp_path.iterdir()) == before
