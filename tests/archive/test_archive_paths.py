"""Bundles know nothing of the machine that made them: two that are made in two places are equal, byte for byte."""

from __future__ import annotations

import getpass
import socket
from pathlib import Path

import pytest

from caffe2py.archive import create, create_hub_folder
from tests.helpers.nets import SMALL, write_net
from tests.helpers.reference import reference

EXTRA = (
    SMALL + 'layer { name: "extra" type: "InnerProduct" bottom: "fc" top: "e" inner_product_param { num_output: 3 } }'
)
NO_ONNX = SMALL + 'layer { name: "s" type: "Silence" bottom: "prob" bottom: "gate" }'
FORK = SMALL.replace("global_pooling: true", "kernel_size: 3 ceil_mode: false")
# A net and the net whose weights stand in the caffemodel: what the one lacks of the other is a note in the bundle.
NETS = {
    "plain": (SMALL, SMALL),
    "layers in the weights alone": (SMALL, EXTRA),
    "no ONNX": (NO_ONNX, NO_ONNX),
    "a fork's layer": (FORK, FORK),
}


def made(folder: Path, text: str, weights: str) -> tuple[Path, Path]:
    folder.mkdir()
    net, caffemodel = write_net(folder, weights)
    net.write_text(text)
    return net, caffemodel


def content(top: Path) -> dict[str, bytes]:
    return {f.relative_to(top).as_posix(): f.read_bytes() for f in top.rglob("*") if f.is_file()}


def names_of_machine(*files: Path) -> list[str]:
    """What must not be in a bundle: folders, user, host. Short names may stand in a file by chance."""
    folders = [str(file.parent) for file in files]
    found = [*folders, str(Path.home()), getpass.getuser(), socket.gethostname(), "caffe2py-partial", "/tmp/"]
    return [name for name in found if len(name) > 4]


@pytest.mark.parametrize(("text", "weights"), NETS.values(), ids=NETS)
def test_no_path_of_the_machine(text: str, weights: str, tmp_path: Path) -> None:
    here, there = (made(tmp_path / name, text, weights) for name in ("somewhere", "elsewhere"))
    for net, out in ((here, "a.tar"), (there, "b.tar")):
        create(*net, tmp_path / out)
    create(*here, tmp_path / "bag")
    create_hub_folder(*here, tmp_path / "hub")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    for top in ("bag", "hub"):
        for name, data in content(tmp_path / top).items():
            assert not [word for word in names_of_machine(*here) if word.encode() in data], name


@pytest.mark.parametrize("name", ["det1", "det2", "det3"])
def test_real_nets(name: str, tmp_path: Path) -> None:
    net = reference(f"mtcnn/{name}.prototxt"), reference(f"mtcnn/{name}.caffemodel")
    create(*net, tmp_path / "a.tar")
    create(*net, tmp_path / "b.tar")
    data = (tmp_path / "a.tar").read_bytes()
    assert data == (tmp_path / "b.tar").read_bytes()
    assert not [word for word in names_of_machine(*net) if word.encode() in data]
