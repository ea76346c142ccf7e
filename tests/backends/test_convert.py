"""`caffe2py convert`: every kind of file, read back by whoever reads such files."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

import caffe2py
from caffe2py.proto.weights.read import read_weights
from tests.helpers.absent import needs
from tests.helpers.nets import SMALL, command, write_net

INPUT = np.random.RandomState(3).uniform(-1, 1, (2, 3, 9, 7)).astype(np.float32)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_net(tmp_path_factory.mktemp("net"))


@pytest.fixture(scope="module")
def wanted(files: tuple[Path, Path]) -> list[np.ndarray]:
    """The outputs, in Caffe's order: gate before prob."""
    return list(caffe2py.run(caffe2py.load(*files), {"data": INPUT}).values())


def convert(files: tuple[Path, Path], out: Path, *options: str) -> Path:
    done = command("convert", *files, "-o", out, *options)
    assert (done.status, done.err) == (0, ""), done
    assert str(out) in done.out
    return out


def check(tops: tuple[torch.Tensor, ...], wanted: list[np.ndarray]) -> None:
    assert len(tops) == len(wanted) == 2
    for top, want in zip(tops, wanted, strict=True):
        np.testing.assert_allclose(top.detach().numpy(), want, rtol=1e-5, atol=1e-6)  # a few dozen float32 sums


def test_pt(files: tuple[Path, Path], wanted: list[np.ndarray], tmp_path: Path) -> None:
    path = convert(files, tmp_path / "net.pt")
    held = torch.load(path, weights_only=True)
    assert (held["format"], held["metadata"]["outputs"]) == ("caffe2py/1", ["gate", "prob"])
    check(caffe2py.load_torch(path)(torch.from_numpy(INPUT)), wanted)


def test_pt2(files: tuple[Path, Path], wanted: list[np.ndarray], tmp_path: Path) -> None:
    module = torch.export.load(convert(files, tmp_path / "net.pt2")).module()
    check(module(torch.from_numpy(INPUT)), wanted)
    assert module(torch.zeros(5, 3, 9, 7))[1].shape == (5, 4)


def test_a_compiled_pt2_needs_a_compiler(files: tuple[Path, Path], tmp_path: Path) -> None:
    from torch._inductor import config

    with config.patch({"cpp.cxx": ("no-such-compiler",)}):
        done = command("convert", *files, "-o", tmp_path / "net.pt2", "--compile")
    assert done.status == 1 and "compiling needs a C++ compiler, and torch finds none; install g++" in done.err
    assert not list(tmp_path.iterdir())
    done = command("convert", *files, "-o", tmp_path / "net.pt", "--compile")
    assert done.status == 2 and "--compile is for OUT.pt2" in done.err


@pytest.mark.long
@needs(shutil.which("g++"), "g++")
def test_a_compiled_pt2_gives_the_same_numbers(
    files: tuple[Path, Path], wanted: list[np.ndarray], tmp_path: Path
) -> None:
    """A minute or two of g++."""
    from torch._inductor import aoti_load_package

    module = aoti_load_package(str(convert(files, tmp_path / "net.pt2", "--compile")))
    check(tuple(module(torch.from_numpy(INPUT))), wanted)


@pytest.mark.parametrize("style", ["readable", "flat", "exact"])
def test_py_runs_where_there_is_no_caffe2py(
    files: tuple[Path, Path], wanted: list[np.ndarray], tmp_path: Path, style: str
) -> None:
    path = convert(files, tmp_path / "net.py", "--style", style)
    np.save(tmp_path / "input.npy", INPUT)
    script = """
import sys
sys.modules["caffe2py"] = None
import numpy, torch, net
tops = net.load()(torch.from_numpy(numpy.load("input.npy")))
numpy.savez("tops.npz", *[top.detach().numpy() for top in tops])
"""
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    with np.load(tmp_path / "tops.npz") as tops:
        check(tuple(torch.from_numpy(tops[name]) for name in tops.files), wanted)
    assert "caffe2py" not in path.read_text().replace("by caffe2py", "")


@pytest.mark.parametrize("name", ["net.caffemodel", "net.h5"])
def test_back_to_caffe_bit_for_bit(files: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    before = read_weights(files[1]).by_name
    nested = ["--even-if-caffe-cannot-read-it"] if name.endswith(".h5") else []  # there is a "conv/1"
    after = read_weights(convert(files, tmp_path / name, *nested)).by_name
    assert {n: [b.data.tobytes() for b in layer.blobs] for n, layer in after.items()} == {
        n: [b.data.tobytes() for b in layer.blobs] for n, layer in before.items()
    }
    assert caffe2py.run(caffe2py.load(files[0], tmp_path / name), {"data": INPUT}).keys() == {"gate", "prob"}


def test_hdf5_weights_that_caffe_cannot_read_are_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    done = command("convert", *files, "-o", tmp_path / "net.h5")
    assert done.status == 1 and done.err.count("\n") == 1 and not (tmp_path / "net.h5").exists()
    assert "layer 'conv/1' has a \"/\" in its name" in done.err and "--even-if-caffe-cannot-read-it" in done.err
    done = command("convert", *files, "-o", tmp_path / "net.pt", "--even-if-caffe-cannot-read-it")
    assert done.status == 2 and "is for OUT.h5" in done.err


def test_safetensors_holds_caffes_blobs(files: tuple[Path, Path], tmp_path: Path) -> None:
    tensors = safetensors.numpy.load_file(convert(files, tmp_path / "net.safetensors"))
    blobs = read_weights(files[1]).by_name
    assert tensors["conv/1.0"].shape == (5, 3, 3, 3)
    assert {n: t.tobytes() for n, t in tensors.items()} == {
        f"{n}.{i}": b.data.tobytes() for n, layer in blobs.items() for i, b in enumerate(layer.blobs)
    }


def test_save_writes_a_net_that_reads_the_same(
    files: tuple[Path, Path], wanted: list[np.ndarray], tmp_path: Path
) -> None:
    caffe2py.save(caffe2py.load(*files), tmp_path / "out.prototxt", tmp_path / "out.caffemodel")
    again = caffe2py.load(tmp_path / "out.prototxt", tmp_path / "out.caffemodel")
    assert str(again) == str(caffe2py.load(*files))
    for top, want in zip(caffe2py.run(again, {"data": INPUT}).values(), wanted, strict=True):
        np.testing.assert_array_equal(top, want)


def test_a_saved_net_needs_no_stage(tmp_path: Path) -> None:
    """The choice of layers was made when the net was loaded; what is written holds them and no rules."""
    prototxt, caffemodel = write_net(tmp_path)
    prototxt.write_text(SMALL.replace('name: "gate"', 'name: "gate" include { stage: "deploy" }'))
    graph = caffe2py.load(prototxt, caffemodel, stages=["deploy"])
    caffe2py.save(graph, tmp_path / "out.prototxt")
    assert caffe2py.load(tmp_path / "out.prototxt").outputs == graph.outputs == ("gate", "prob")
    caffe2py.convert(graph, tmp_path / "out.pt")
    assert len(caffe2py.load_torch(tmp_path / "out.pt")(torch.from_numpy(INPUT))) == 2


def test_json_names_the_files(files: tuple[Path, Path], tmp_path: Path) -> None:
    done = command("convert", *files, "-o", tmp_path / "net.py", "--json")
    said = json.loads(done.out)
    assert [Path(f["file"]).name for f in said["files"]] == ["net.py", "net.pth"]
    assert all(f["bytes"] == Path(f["file"]).stat().st_size for f in said["files"])


def test_extra_layers_of_the_weights_are_counted(tmp_path: Path) -> None:
    prototxt, caffemodel = write_net(tmp_path)
    shorter = "\n".join(line for line in SMALL.splitlines() if '"fc"' not in line and '"prob"' not in line)
    prototxt.write_text(shorter)
    notes = json.loads(command("convert", prototxt, caffemodel, "-o", tmp_path / "net.safetensors", "--json").out)[
        "notes"
    ]
    assert any("1 layers with weights" in n and "fc (InnerProduct)" in n for n in notes), notes


def test_a_net_without_weights_is_filled_by_its_fillers(tmp_path: Path) -> None:
    prototxt = tmp_path / "net.prototxt"
    prototxt.write_text(SMALL.replace("kernel_size: 3", 'kernel_size: 3 weight_filler { type: "xavier" }'))
    outs = []
    for number, seed in enumerate([3, 3, 4]):
        out = tmp_path / f"{number}.safetensors"
        done = command("convert", prototxt, "-o", out, "--fill", seed)
        assert done.status == 0, done
        outs.append(out.read_bytes())
    assert outs[0] == outs[1] != outs[2]
