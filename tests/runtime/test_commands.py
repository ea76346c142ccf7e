"""The command caffe's verbs and small tools: log lines as recorded, files, errors."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import caffe2py.pycaffe as caffe
from caffe2py.proto.weights.mean import read_mean
from caffe2py.runtime.data.database_data import datum_array, parse_datum
from caffe2py.runtime.data.databases import open_database
from tests.helpers.absent import absent
from tests.helpers.nets import command
from tests.helpers.reference import found, reference

ROOT = str(Path(__file__).resolve().parents[2])
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.])")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the solver, the net and the data that were recorded."""
    for name in ("solver.prototxt", "tr.prototxt", "list.txt", "digits.h5"):
        shutil.copy(reference(f"runtime/{name}"), tmp_path)
    for path in found("runtime/snap_iter_10.*"):
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": ROOT, "OMP_NUM_THREADS": "1", "GLOG_minloglevel": "0"}
    return subprocess.run([sys.executable, "-m", "caffe2py", *words], env=environment, capture_output=True, text=True)


def lines(log: str) -> list[str]:
    """The lines without date and thread, and times as T."""
    plain = re.sub(r"(?m)^([IWEF])\d{8} [\d:.]+ +\d+ ", r"\1 ", log)
    plain = re.sub(r"[-\d.e+]+ iter/s, [\d.e+-]+s", "T iter/s, Ts", plain)
    return re.sub(r": [\d.e+-]+ ms", ": T ms", plain).splitlines()


def same(ours: Sequence[str], theirs: Sequence[str]) -> None:
    """Line by line, numbers to within what rounding makes of a loss that has gone down from 1 to 1e-5."""
    assert [NUMBER.sub("#", line) for line in ours] == [NUMBER.sub("#", line) for line in theirs]
    for mine, line in zip(ours, theirs, strict=True):
        for a, b in zip(NUMBER.findall(mine), NUMBER.findall(line), strict=True):
            assert float(a) == pytest.approx(float(b), rel=1e-5, abs=2e-7), line


LOGS = {
    "train": ("train --solver=solver.prototxt", "train.log"),
    "test": ("test -model tr.prototxt -weights trained.caffemodel -iterations 3", "test.log"),
    "time": ("time --model tr.prototxt --iterations 2", "time.log"),
    "resume": ("train --solver=solver.prototxt --snapshot=snap_iter_10.solverstate", "resume.log"),
}


@pytest.mark.parametrize(("words", "log"), LOGS.values(), ids=LOGS)
def test_logs_are_caffes_line_by_line(folder: Path, words: str, log: str) -> None:
    if "trained" in words:
        run("train", "--solver=solver.prototxt")
        shutil.move("snap_iter_20.caffemodel", "trained.caffemodel")
    done = run(*words.split())
    assert done.returncode == 0, done.stderr
    same(lines(done.stderr), lines(reference(f"runtime/{log}").read_text()))


def test_files_that_training_leaves(folder: Path) -> None:
    run("train", "-solver", "solver.prototxt")
    made = {p.name for p in folder.glob("snap*")}
    assert made == {f"snap_iter_{n}.{kind}" for n in (10, 20) for kind in ("caffemodel", "solverstate")}
    net = caffe.Net("tr.prototxt", caffe.TEST, weights="snap_iter_20.caffemodel")
    net.forward()
    assert net.blobs["accuracy"].data == 1


def test_fine_tuning_starts_from_the_weights(folder: Path) -> None:
    done = run("train", "--solver=solver.prototxt", "--weights=snap_iter_10.caffemodel")
    assert "Finetuning from snap_iter_10.caffemodel" in done.stderr
    first = re.search(r"Test net output #1: loss = (\S+)", done.stderr)
    assert first and float(first[1]) < 0.05


def test_ctrl_c_saves_and_stops(folder: Path) -> None:
    text = Path("solver.prototxt").read_text().replace("max_iter: 20", "max_iter: 1000000")
    Path("long.prototxt").write_text(text.replace("snapshot: 10", "snapshot: 10000000"))
    environment = {**os.environ, "PYTHONPATH": ROOT, "OMP_NUM_THREADS": "1", "GLOG_minloglevel": "0"}
    words = [sys.executable, "-m", "caffe2py", "train", "--solver=long.prototxt"]
    with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "Iteration 10 " in line:
                process.send_signal(signal.SIGHUP)
            if "Snapshotting solver state" in line:
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.returncode == 0 and "Optimization stopped early." in rest
    assert len(list(folder.glob("snap_iter_*.solverstate"))) >= 2


WRONG = {
    "both": (
        "train --solver solver.prototxt --snapshot a --weights b",
        "Give a snapshot to resume training or weights to finetune but not both.",
    ),
    "no solver": ("train --solver none.prototxt", "no such file"),
    "no weights": ("test --model tr.prototxt --weights none", "no such file"),
    "no gpu": ("time --model tr.prototxt --gpu 0", "torch finds no GPU here"),
    "no gpu to tell of": ("device_query", "torch finds no GPU here"),
    "no database": ("data compute_image_mean none mean.binaryproto", "no such LMDB"),
}


@pytest.mark.parametrize(("words", "fact"), WRONG.values(), ids=WRONG)
def test_errors(folder: Path, words: str, fact: str) -> None:
    import torch

    if "GPU" in fact and torch.cuda.is_available():
        absent("a machine without a GPU")
    done = command(*words.split())
    assert done.status == 1 and fact in done.err


# The small tools ----------------------------------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for path in found("runtime/data/im*.png"):
        shutil.copy(path, tmp_path)
    Path("list.txt").write_text("".join(f"im{i}.png {10 * i}\n" for i in range(4)))
    return tmp_path


@pytest.mark.parametrize("backend", ["lmdb", "leveldb"])
@pytest.mark.parametrize("flags", ["", "--encoded", "--encoded --encode_type jpg", "--gray", "-shuffle"])
def test_convert_imageset_and_mean(pictures: Path, backend: str, flags: str) -> None:
    size = "" if "encoded" in flags else "--resize_height 6 --resize_width=5 --check_size"
    words = f"data convert_imageset ./ list.txt db -backend {backend} {size} {flags} --json"
    done = command(*words.split())
    assert json.loads(done.out) == {"file": "db", "records": 4}, done.err
    values = list(open_database("db", backend.upper()).values())
    labels = [parse_datum(value).label for value in values]
    assert labels == [0, 10, 20, 30] if "shuffle" not in flags else sorted(labels) == [0, 10, 20, 30]
    arrays = [datum_array(parse_datum(value), "db") for value in values]
    if not size:
        assert {a.shape[0] for a in arrays} == {3}
        return
    assert {a.shape for a in arrays} == {(1 if "gray" in flags else 3, 6, 5)}
    done = command(*f"data compute_image_mean db mean.binaryproto --backend={backend}".split())
    assert done.status == 0, done.err
    np.testing.assert_allclose(read_mean("mean.binaryproto"), np.mean(arrays, 0), rtol=1e-6)


def test_nothing_is_left_of_a_database_that_fails(pictures: Path) -> None:
    Path("list.txt").write_text("im0.png 1\nnone.png 2\n")
    before = sorted(p.name for p in pictures.iterdir())
    done = command("data", "convert_imageset", "./", "list.txt", "db")
    assert done.status == 1 and "none.png: Could not open or find file" in done.err
    assert sorted(p.name for p in pictures.iterdir()) == before
    Path("db").mkdir()
    done = command("data", "convert_imageset", "./", "list.txt", "db")
    assert done.status == 1 and "something stands there already" in done.err


def test_extract_features(folder: Path) -> None:
    words = "data extract_features snap_iter_10.caffemodel tr.prototxt fc,conv fc_db,conv_db 2 lmdb CPU"
    done = command(*words.split())
    assert done.status == 0, done.err
    fc = [datum_array(parse_datum(v), "fc_db").ravel() for v in open_database("fc_db", "LMDB").values()]
    net = caffe.Net("tr.prototxt", caffe.TEST, weights="snap_iter_10.caffemodel")
    expected = np.concatenate([net.forward(end="fc")["fc"].copy() for _ in range(2)])
    np.testing.assert_allclose(np.array(fc), expected, rtol=1e-5, atol=1e-6)
    assert datum_array(parse_datum(next(open_database("conv_db", "LMDB").values())), "").shape == (4, 6, 6)
    assert command(*words.replace("fc,", "none,").replace("_db", "_2").split()).status == 1
