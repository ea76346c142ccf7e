"""The walks of docs/pycaffe.md, run in order in one folder as scripts that say `import caffe`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.helpers.absent import needs_module
from tests.helpers.handbook import ROOT, blocks
from tests.helpers.reference import reference

SCRIPTS = {block.file: block.text for block in blocks("pycaffe.md")}


def run(folder: Path, name: str, *words: str) -> str:
    (folder / name).write_text(SCRIPTS[name])
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOG_minloglevel": "2"}
    command = [sys.executable, "-m", "caffe2py.pycaffe", name, *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_are_five_scripts() -> None:
    assert list(SCRIPTS) == ["digits.py", "lenet.py", "surgery.py", "classify.py", "faces.py"]


def test_learning_and_surgery(folder: Path) -> None:
    run(folder, "digits.py")
    said = run(folder, "lenet.py")
    assert "iteration 100: loss 0.0" in said and float(said.split("accuracy ")[1]) > 0.95
    assert "scores at each place: (1, 10, 1, 8)" in run(folder, "surgery.py")


def test_classifying(folder: Path) -> None:
    said = run(folder, "classify.py")
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
    said = run(folder, "faces.py", "faces.png")
    assert int(said.split(" windows proposed")[0]) > 2, said
    assert said.splitlines()[-1] == "2 faces", said
