"""Every command and every Python line of the README, run in order in one folder, as a reader would type them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import caffe2py
from tests.helpers.absent import needs_module
from tests.helpers.detector import BLOBS, QUARTERS
from tests.helpers.nets import write_net
from tools.make_caffemodel import make_caffemodel
from tools.make_manifest import make_manifest
from tools.make_prototxt import build

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SET_UP = ("make ", "pip ")  # what the tests themselves were started by

LENET = """name: "LeNet" input: "data" input_dim: 1 input_dim: 1 input_dim: 8 input_dim: 8
layers { layer { name: "conv1" type: "conv" num_output: 2 kernelsize: 3 } bottom: "data" top: "conv1" }
layers { layer { name: "relu1" type: "relu" } bottom: "conv1" top: "conv1" }
"""


def blocks() -> Iterator[tuple[str, str]]:
    """(language, command or program), in the README's order."""
    for language, text in re.findall(r"^```(\w+)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE):
        if language == "sh":
            yield from ((language, line) for line in text.splitlines() if not line.startswith(SET_UP))
        else:
            yield language, text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the README speaks of: a small SENet-154, a small SSD, activations, images with labels, an old net."""
    cv2 = needs_module("cv2", "OpenCV, which classify and evaluate need")
    folder = tmp_path_factory.mktemp("readme")
    prototxt, caffemodel = folder / "senet154.prototxt", folder / "senet154.caffemodel"
    prototxt.write_text(build("SENet-154", width=Fraction(1, 16), input_size=64))
    make_caffemodel(make_manifest(caffe2py.load(prototxt)), caffemodel)
    with_net_inside(prototxt, caffemodel)
    subprocess.run([*CAFFE2PY, "record", prototxt, caffemodel, "-o", folder / "activations.h5"], check=True)
    for written in write_net(folder, QUARTERS, BLOBS):
        written.rename(folder / f"ssd{written.suffix}")
    (folder / "images").mkdir()
    names = ["cat.jpg", "dog.jpg"]
    for name in names:
        picture = np.random.RandomState(len(name)).randint(0, 255, (90, 80, 3), np.uint8)
        cv2.imwrite(str(folder / "images" / name), picture)
    (folder / "val.txt").write_text("".join(f"{name} {label}\n" for label, name in enumerate(names)))
    (folder / "lenet_2014.prototxt").write_text(LENET)
    return folder


CAFFE2PY = [sys.executable, "-m", "caffe2py"]


def with_net_inside(prototxt: Path, caffemodel: Path) -> None:
    """The caffemodel as Caffe itself writes one: with every layer's parameters beside its blobs."""
    caffe2py.save(caffe2py.load(prototxt, caffemodel), None, caffemodel)


@pytest.mark.parametrize(("language", "text"), list(blocks()))
def test_readme(language: str, text: str, folder: Path) -> None:
    if language == "python":
        words: list[str] = [sys.executable, "-W", "error", "-c", text]
    else:
        assert text.startswith("caffe2py "), f"no test runs the command: {text}"
        words = ["bash", "-c", text.replace("caffe2py", " ".join(CAFFE2PY), 1)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout or "upgrade" in text


def test_the_first_two_commands_are_what_ci_runs() -> None:
    ci = (ROOT / ".ci" / "run").read_text()
    commands = re.findall(r"^make \w+", README, re.MULTILINE)
    assert commands[:2] == ["make demo", "make test"]
    assert all(re.search(rf"\b{command}\b", ci) for command in commands)
