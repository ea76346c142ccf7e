"""`evaluate` against what was recorded with OpenCV and the real Caffe; stopped, shared out and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import caffe2py
from caffe2py.evaluate import evaluate
from caffe2py.evaluate.evaluation import Evaluation
from caffe2py.evaluate.network import Engine
from caffe2py.evaluate.results.predictions import read_predictions
from tests.helpers.absent import needs_module
from tests.helpers.reference import reference
from tools.make_caffemodel import make_caffemodel

cv2 = needs_module("cv2", "OpenCV")

ROOT = Path(__file__).resolve().parents[2]
PROTOTXT = ROOT / "models" / "prototxt" / "SE-ResNet-50.prototxt"
LOGITS = 1e-4  # of logits up to 0.04: fifty layers' sums in float32, in other orders
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("senet") / "SE-ResNet-50.caffemodel"
    make_caffemodel(json.loads(reference("evaluate/weights.json").read_text()), path)
    return path


def check(result: Evaluation) -> None:
    """The recorded error rates, top-5 and logits."""
    expected = json.loads(reference("evaluate/expected.json").read_text())
    assert (result.top1.percent, result.top5.percent) == (expected["top1_error"], expected["top5_error"])
    assert [p.image for p in result.predictions] == [image["file"] for image in expected["images"]]
    for ours, image in zip(result.predictions, expected["images"], strict=True):
        assert (ours.label, list(ours.classes)) == (image["label"], image["top5"]), image["file"]
        np.testing.assert_allclose(ours.scores, image["logits5"], rtol=0, atol=LOGITS, err_msg=image["file"])


def words(weights: Path, out: Path, batch: int) -> list[str]:
    folder = reference("evaluate")
    files = ["--images", folder / "images", "--labels", folder / "val.txt", "-o", out]
    return list(map(str, ["evaluate", PROTOTXT, weights, *files, "--batch-size", batch]))


@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_recorded_errors_and_logits(backend: str, batch: int, weights: Path) -> None:
    if backend == "onnxruntime":
        needs_module("onnxruntime", "onnxruntime")
    graph = caffe2py.load(PROTOTXT, weights)
    folder = reference("evaluate")
    result = evaluate(graph, folder / "images", folder / "val.txt", engine=Engine(backend=backend), batch_size=batch)
    check(result)
    assert result.settings["preprocessing"]["resize"] == "opencv-linear"


def test_killed_half_way_and_resumed_by_two_processes(weights: Path, tmp_path: Path) -> None:
    """One process that runs through, and one that is killed and taken over by two: the same file to the last bit."""
    caffe = [sys.executable, "-m", "caffe2py"]
    through = subprocess.Popen([*caffe, *words(weights, tmp_path / "through", 4)], cwd=ROOT, env=ONE_THREAD)
    assert through.wait() == 0
    stopped = subprocess.Popen([*caffe, *words(weights, tmp_path / "out", 4)], cwd=ROOT, env=ONE_THREAD)
    part = tmp_path / "out" / "predictions.csv.part0"
    deadline = time.monotonic() + 120
    while not part.exists() or part.read_text().count("\n") < 9:
        assert stopped.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    stopped.send_signal(signal.SIGKILL)
    stopped.wait()
    done = {p.image for p in read_predictions(part)}
    assert 8 <= len(done) < 24
    with open(part, "a") as file:
        file.write("val_0000")  # as a line that was being written
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "caffe2py"]
    again = subprocess.run(
        [*torchrun, *words(weights, tmp_path / "out", 4), "--resume", "--json"],
        cwd=ROOT,
        env=ONE_THREAD,
        capture_output=True,
        text=True,
    )
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["images"] == 24  # one process speaks
    files = [tmp_path / name / "predictions.csv" for name in ("through", "out")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert not list((tmp_path / "out").glob("*.part*"))
    graph = caffe2py.load(PROTOTXT, weights)
    folder = reference("evaluate")
    finished = evaluate(graph, folder / "images", folder / "val.txt", batch_size=4, out=tmp_path / "out", resume=True)
    assert finished.measured == 0
    check(finished)
