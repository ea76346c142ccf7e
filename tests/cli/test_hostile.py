"""Nets, names and places that went wrong once: one clear message or the right result, and nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import caffe2py
from caffe2py.errors import CaffeError
from tests.helpers.absent import absent
from tests.helpers.emitted import load_py
from tests.helpers.nets import SMALL, command, write_net
from tests.helpers.reference import reference

KINDS = ["pt", "pt2", "py", "onnx", "safetensors", "caffemodel", "h5"]
PLAIN = SMALL.replace("conv/1", "conv1")  # HDF5 weights have no "/" in names


def ran(made: Path, *inputs: torch.Tensor) -> torch.Tensor:
    """A converted file, loaded and run."""
    if made.suffix == ".pt":
        return caffe2py.load_torch(made)(*inputs)
    if made.suffix == ".pt2":
        return torch.export.load(made).module()(*inputs)
    return load_py(made)(*inputs)


INPUT = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } } }\n'
# The text of a net, and what every conversion of it says; None where it works.
NETS = {
    "01_flat_keyerror": None,
    "02_unicode_names": None,
    "03_net_named_path": None,
    "04_slope_inf": None,
    "06_misfit_then_consumer": None,
    "07_param_name_collision": None,
    "08_silent_collision": None,
    "09_slice_zero": "holds no value",
    "10_dropout_ratio": "dropout_ratio is 2; want 0 to 1",
    "11_uniform_inf": "want max to be no less than min",
    "12_power_huge": None,
    "13_nul_name": None,
    "14_pool_stride": None,
    "17_escape": None,
    "18_escape_error": 'bottom 0 "nope" is made by no layer before it',
}


@pytest.mark.parametrize("name", NETS)
def test_nets_that_were_made_for_it(name: str, tmp_path: Path) -> None:
    """What is written loads and runs; what cannot be is told, and leaves nothing."""
    net, said = reference(f"hostile/{name}.prototxt"), NETS[name]
    for kind in ("pt", "py", "onnx"):
        done = command("convert", net, "--fill", 1, "-o", tmp_path / f"net.{kind}")
        assert done.status == (0 if said is None else 1) and (said or "") in done.err, done
        assert len(done.err) < 1000
    if said is not None:
        assert list(tmp_path.iterdir()) == []
        return
    graph = caffe2py.load(net, fill=1)
    inputs = {blob: torch.rand(shape) for blob, shape in graph.inputs.items()}
    wanted = next(iter(caffe2py.run(graph, inputs).values()))
    for kind in ("pt", "py"):
        np.testing.assert_allclose(ran(tmp_path / f"net.{kind}", *inputs.values()).detach(), wanted, 1e-5, 1e-6)


def test_windows_far_outside() -> None:
    """Of the second window nothing lies in the image: Caffe divides its sum, 0, by a number below 0."""
    graph = caffe2py.load(reference("hostile/14_pool_stride.prototxt"))
    x = np.arange(2 * 3 * 8 * 8, dtype=np.float32).reshape(2, 3, 8, 8)
    (y,) = caffe2py.run(graph, {"x": x}).values()
    assert y.shape == (2, 3, 2, 2)
    np.testing.assert_array_equal(y[:, :, 0, 0], x[:, :, :3, :3].mean((2, 3)))
    assert not y[:, :, 1].any() and not y[:, :, :, 1].any()


def test_names_with_nul(tmp_path: Path) -> None:
    named = PLAIN.replace('"conv1"', '"con\\000v1"').replace('"conv"', '"con\\000v"').replace('"fc"', '"f\\000c"')
    net, weights = write_net(tmp_path, named.replace('"small net"', '"n\\000"').replace('"data"', '"da\\000ta"'))
    for kind in KINDS:
        done = command("convert", net, weights, "-o", tmp_path / f"made.{kind}")
        assert done.status == (1 if kind == "h5" else 0), done
        assert kind != "h5" or "HDF5 has no such name" in done.err
    assert command("record", net, weights, "-o", tmp_path / "d.npz").status == 0
    assert command("verify", net, weights, "--against", tmp_path / "d.npz").status == 0
    refused = command("record", net, weights, "-o", tmp_path / "d.h5")
    assert refused.status == 1 and "HDF5 has no such name as 'n\\x00'; an .npz has" in refused.err, refused
    for kind in ("pt", "pt2", "py"):
        assert len(ran(tmp_path / f"made.{kind}", torch.zeros(2, 3, 9, 7))) == 2


def test_file_names_that_are_no_utf8(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"b\xffd")
    try:
        folder.mkdir()
    except OSError:
        absent("a file system that takes any bytes as names")
    net, weights = (f.rename(folder / os.fsdecode(b"n\xff" + f.suffix.encode())) for f in write_net(folder, PLAIN))
    for kind in KINDS:
        out = folder / os.fsdecode(b"made\xff." + kind.encode())
        done = command("convert", net, weights, "-o", out)
        assert (done.status, done.err) == (0, "") and out.exists(), done
    dump = folder / os.fsdecode(b"d\xff.h5")
    assert command("record", net, weights, "-o", dump).status == 0
    for kind in ("pt", "py", "onnx"):
        model = folder / os.fsdecode(b"made\xff." + kind.encode())
        done = command("verify", net, weights, "--against", dump, "--model", model)
        assert (done.status, done.err) == (0, ""), done
    from safetensors import safe_open

    made = (folder / os.fsdecode(b"made\xff.safetensors")).rename(folder / "plain.safetensors")
    with safe_open(made.rename(tmp_path / "plain.safetensors"), "np") as file:
        assert file.metadata()["prototxt"] == "n\\xff.prototxt"


def test_much_text_is_told_by_its_size(tmp_path: Path) -> None:
    with open(tmp_path / "net.prototxt", "w") as file:
        file.writelines("#" + "x" * (1 << 20) + "\n" for _ in range(50))
    with pytest.raises(CaffeError, match=r"net\.prototxt: 50 MB of text; want at most 8 MB"):
        caffe2py.load(tmp_path / "net.prototxt")


@pytest.mark.parametrize("words", ["show NET", "show NET --json", "show --help"])
def test_standard_output_that_is_full(words: str, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        absent("/dev/full")
    net, _ = write_net(tmp_path)
    line = [sys.executable, "-m", "caffe2py", *words.replace("NET", str(net)).split()]
    with open("/dev/full", "w") as full:
        done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 1
    assert done.stderr == "caffe2py: standard output: cannot write: no space left on device\n"
