"""The recorder for people who still have a Caffe: run here on a stand-in for pycaffe, of several ages."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import caffe2py
from caffe2py.proof.dumps.reading import LayerDump, open_dump
from caffe2py.proof.dumps.sample import Sample
from tests.helpers.absent import absent, needs_module
from tests.helpers.nets import SMALL, write_net
from tests.helpers.standin_caffe import Net, NetOf2013, NetOf2015, module
from tools import record_caffe_activations as recorder

TOOL = Path(recorder.__file__)
AGES = {"2017": Net, "2015": NetOf2015, "2013": NetOf2013}


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    return [str(p) for p in write_net(tmp_path)]


def record(monkeypatch: pytest.MonkeyPatch, arguments: list[str], net: type[Net] = Net) -> int:
    monkeypatch.setitem(sys.modules, "caffe", module(net))
    return recorder.main(arguments)


@pytest.mark.parametrize("age", AGES)
@pytest.mark.parametrize("name", ["dump.h5", "dump.npz"])
@pytest.mark.parametrize("samples", [None, 10], ids=["whole", "sampled"])
def test_a_dump_verifies(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age: str, name: str, samples: int | None
) -> None:
    out = tmp_path / name
    more = [] if samples is None else ["--samples", str(samples)]
    assert record(monkeypatch, [*files, "-o", str(out), *more], AGES[age]) == 0
    report = caffe2py.verify(caffe2py.load(*files), out)
    assert report.ok, report
    # prob is saturated. A Caffe that cannot step leaves out what a later layer overwrites: conv/1, bn and scale.
    unseen = {"not recorded": 3} if age == "2013" else {}
    assert report.counts() == {"ok": 7 - sum(unseen.values()), "says nothing": 1, **unseen}
    assert all((row.local is None) == (samples is not None) for row in report.layers if row.verdict == "ok")


def test_says_what_it_ran(files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "dump.h5"
    assert record(monkeypatch, [*files, "-o", str(out)]) == 0
    with open_dump(out) as dump:
        assert isinstance(dump, LayerDump)
        assert (dump.net, dump.phase, dump.prototxt) == ("small net", "TEST", SMALL)
        assert len(dump.caffemodel_sha256) == 64
        first = dump.records[0]
        assert (first.name, first.type, first.bottoms, first.blobs) == ("conv/1", "Convolution", ("data",), ("conv",))
        assert [r.name for r in dump.records] == ["conv/1", "bn", "scale", "relu", "pool", "fc", "prob", "gate"]


def test_takes_the_samples_that_our_own_recorder_takes(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, ours = tmp_path / "theirs.h5", tmp_path / "ours.h5"
    assert record(monkeypatch, [*files, "-o", str(theirs), "--samples", "7", "--seed", "3"]) == 0
    graph = caffe2py.load(*files)
    with open_dump(theirs) as dump:
        assert isinstance(dump, LayerDump)
        inputs = {blob: read() for blob, read in dump.inputs.items()}
    caffe2py.record(graph, inputs, ours, 7)
    with open_dump(theirs) as a, open_dump(ours) as b:
        assert isinstance(a, LayerDump) and isinstance(b, LayerDump)
        for left, right in zip(a.records, b.records, strict=True):
            x, y = left.tops[0].read(), right.tops[0].read()
            assert isinstance(x, Sample) and isinstance(y, Sample)
            np.testing.assert_array_equal(x.index, y.index)
    assert caffe2py.compare(theirs, ours).ok


def test_inputs_from_a_file(files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.RandomState(5).uniform(-1, 1, (4, 3, 9, 7)).astype(np.float32)  # a batch of another size
    np.save(tmp_path / "x.npy", x)
    out = tmp_path / "dump.h5"
    assert record(monkeypatch, [*files, "-o", str(out), "--input", f"data={tmp_path / 'x.npy'}"]) == 0
    with open_dump(out) as dump:
        assert isinstance(dump, LayerDump)
        np.testing.assert_array_equal(dump.inputs["data"](), x)
    assert caffe2py.verify(caffe2py.load(*files, inputs={"data": x.shape}), out).ok


def test_an_image_is_fed_as_caffes_examples_do(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = needs_module("PIL.Image", "Pillow")
    image.new("RGB", (5, 4), (10, 20, 30)).save(tmp_path / "x.png")
    out = tmp_path / "dump.h5"
    arguments = [*files, "-o", str(out), "--input", str(tmp_path / "x.png"), "--mean", "1,2,3", "--scale", "0.5"]
    assert record(monkeypatch, arguments) == 0
    with open_dump(out) as dump:
        assert isinstance(dump, LayerDump)
        fed = dump.inputs["data"]()
    assert fed.shape == (2, 3, 9, 7)
    bgr = np.array([(30 - 1) / 2, (20 - 2) / 2, (10 - 3) / 2])
    np.testing.assert_allclose(fed, np.broadcast_to(bgr[:, None, None], fed.shape), rtol=1e-5)  # x / 255 * 255


def test_without_h5py_an_npz_is_written(files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert record(monkeypatch, [*files, "-o", str(tmp_path / "dump.h5")]) == 0
    monkeypatch.undo()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dump.npz", "net.caffemodel", "net.prototxt"]
    assert caffe2py.verify(caffe2py.load(*files), tmp_path / "dump.npz").ok


WRONG = {
    "no such file": (["missing.prototxt", "x"], "missing.prototxt: no such file"),
    "no such input": (["--input", "label=x.npy"], 'the net has no input "label"; its inputs are data'),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors_are_one_line(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    arguments, said = WRONG[case]
    given = arguments if not arguments[0].startswith("-") else [*files, *arguments]
    assert record(monkeypatch, [*given, "-o", str(tmp_path / "dump.h5")]) == 1
    assert capsys.readouterr().err == f"error: {said}\n"
    assert not list(tmp_path.glob("dump*"))


def test_no_pycaffe_is_told(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert recorder.main([*files, "-o", str(tmp_path / "dump.h5")]) == 1
    assert "put CAFFE/python on PYTHONPATH" in capsys.readouterr().err


def test_the_text_keeps_to_what_python_2_7_knows() -> None:
    tree = ast.parse(TOOL.read_text(encoding="utf-8"))
    newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Nonlocal, ast.YieldFrom, ast.Starred, ast.MatMult)
    newer += (ast.AsyncFunctionDef, ast.Await, ast.Match)
    calls = {a for n in ast.walk(tree) if isinstance(n, ast.Call) for a in n.args}  # f(*x) is as old as Python
    found = [
        f"{type(n).__name__} in line {n.lineno}" for n in ast.walk(tree) if isinstance(n, newer) and n not in calls
    ]
    for n in ast.walk(tree):
        if isinstance(n, ast.FunctionDef):
            a = n.args
            if a.kwonlyargs or a.posonlyargs or n.returns or any(x.annotation for x in [*a.args, a.vararg] if x):
                found.append(f"the signature of {n.name}")
        elif isinstance(n, ast.Raise) and n.cause is not None:
            found.append(f"raise from in line {n.lineno}")
        elif isinstance(n, ast.Dict) and None in n.keys:
            found.append(f"** in a dict in line {n.lineno}")
        elif isinstance(n, ast.ClassDef) and not n.bases:
            found.append(f"class {n.name} without object")
        elif isinstance(n, ast.Call) and isinstance(n.func, ast.Name):
            if n.func.id == "open" and any(k.arg == "encoding" for k in n.keywords):
                found.append(f"open with an encoding in line {n.lineno}")
            if n.func.id == "super" and not n.args:
                found.append(f"super() in line {n.lineno}")
    assert found == []
    future = [n for n in tree.body if isinstance(n, ast.ImportFrom) and n.module == "__future__"]
    assert {alias.name for n in future for alias in n.names} >= {"print_function", "division"}
    assert TOOL.read_bytes().isascii()  # there is no coding line


def python_2_7() -> str | None:
    """A Python 2.7 that runs, on the path or among pyenv's."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    places = [shutil.which("python2.7"), shutil.which("python2"), *map(str, versions.glob("2.7*/bin/python2.7"))]
    check = ["-c", "import sys; sys.exit(sys.version_info[:2] != (2, 7))"]
    return next((p for p in places if p and subprocess.run([p, *check], capture_output=True).returncode == 0), None)


def test_the_text_compiles_under_python_2_7() -> None:
    python = python_2_7()
    if python is None:
        absent("Python 2.7")
    script = "import sys; compile(open(sys.argv[1]).read(), sys.argv[1], 'exec')"
    done = subprocess.run([python, "-c", script, str(TOOL)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
