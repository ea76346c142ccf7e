"""The walks of docs/pycaffe.md, run in order in one folder as scripts that say `import caffe`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import caffe2py
from tests.helpers.absent import needs_module
from tests.helpers.reference import reference
from tools.make_caffemodel import make_caffemodel
from tools.make_manifest import make_manifest
from tools.make_prototxt import build

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "pycaffe.md").read_text(encoding="utf-8")
SCRIPTS = dict(re.findall(r"^```python\n# (\w+)\.py\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("walks")


def run(folder: Path, name: str, *words: str) -> str:
    (folder / f"{name}.py").write_text(SCRIPTS[name])
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOG_minloglevel": "2"}
    command = [sys.executable, "-m", "caffe2py.pycaffe", f"{name}.py", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_are_five_scripts() -> None:
    assert list(SCRIPTS) == ["digits", "lenet", "surgery", "classify", "faces"]


def test_learning_and_surgery(folder: Path) -> None:
    run(folder, "digits")
    said = run(folder, "lenet")
    assert "iteration 100: loss 0.0" in said and float(said.split("accuracy ")[1]) > 0.95
    assert "scores at each place: (1, 10, 1, 8)" in run(folder, "surgery")


def test_classifying(folder: Path) -> None:
    cv2 = needs_module("cv2", "OpenCV, which draws the picture")
    prototxt = folder / "senet154.prototxt"
    prototxt.write_text(build("SENet-154", width=Fraction(1, 16), input_size=64))
    make_caffemodel(make_manifest(caffe2py.load(prototxt)), folder / "senet154.caffemodel")
    cv2.imwrite(str(folder / "cat.jpg"), np.random.RandomState(0).randint(0, 255, (90, 80, 3), np.uint8))
    said = run(folder, "classify")
    assert "over ten crops: [" in said and "conv1" in said


def test_a_cascade(folder: Path) -> None:
    """Two drawn faces on a grey ground, and what the trained nets make of them."""
    cv2 = needs_module("cv2", "OpenCV, which draws the picture")
    for i in (1, 2, 3):
        for kind in ("prototxt", "caffemodel"):
            shutil.copy(reference(f"mtcnn/det{i}.{kind}"), folder)
    picture = np.full((240, 320, 3), 110, np.uint8)
    for x in (90, 230):
        cv2.ellipse(picture, (x, 120), (42, 56), 0, 0, 360, (150, 180, 225), -1)
        cv2.ellipse(picture, (x, 85), (44, 30), 0, 180, 360, (30, 40, 60), -1)
        for side in (-17, 17):
            cv2.ellipse(picture, (x + side, 112), (8, 5), 0, 0, 360, (245, 245, 245), -1)
            cv2.circle(picture, (x + side, 112), 4, (40, 40, 40), -1)
            cv2.line(picture, (x + side - 9, 102), (x + side + 9, 101), (40, 50, 70), 3)
        cv2.line(picture, (x, 116), (x - 3, 134), (110, 140, 190), 3)
        cv2.ellipse(picture, (x, 149), (15, 6), 0, 0, 180, (90, 90, 190), -1)
    cv2.imwrite(str(folder / "faces.png"), cv2.GaussianBlur(picture, (5, 5), 0))
    said = run(folder, "faces", "faces.png")
    assert int(said.split(" windows proposed")[0]) > 2, said
    assert said.splitlines()[-1] == "2 faces", said
