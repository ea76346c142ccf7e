"""The recorder for people who still have a Caffe: run here on a stand-in for pycaffe, of several ages."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import caffe2py
import caffe2py.pycaffe as caffe
from caffe2py.proof.dumps.reading import LayerDump, open_dump
from caffe2py.proof.dumps.sample import Sample
from tests.helpers.absent import absent, needs_module
from tests.helpers.handbook import blocks
from tests.helpers.hdf5_layout import versions
from tests.helpers.nets import SMALL, write_net
from tests.helpers.reference import reference
from tests.helpers.standin_caffe import STAGED, Net, NetOf2013, NetOf2015, NetOf2017, record
from tools import record_caffe_activations as recorder

TOOL = Path(recorder.__file__)
GLOG = "GLOG_minloglevel"
AGES = {"2017": Net, "2015": NetOf2015, "2013": NetOf2013}


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


def test_the_commands_of_the_handbook(files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = needs_module("PIL.Image", "Pillow")
    image.new("RGB", (70, 90), (10, 20, 30)).save(tmp_path / "cat.jpg")
    np.save(tmp_path / "x.npy", np.ones((4, 3, 9, 7), "f"))
    monkeypatch.chdir(tmp_path)
    (recording,) = blocks("verify.md")
    for line in recording.commands:
        python, tool, *words = line.split()
        assert (python, tool) == ("python", TOOL.name)
        assert record(monkeypatch, words) == 0
        with open_dump(tmp_path / "dump.h5") as dump:
            shapes = {blob: read().shape for blob, read in dump.inputs.items()}
        assert caffe2py.verify(caffe2py.load(*files, inputs=shapes), tmp_path / "dump.h5").ok


READERS = {"Pillow": (), "OpenCV": ("PIL",), "scikit-image": ("PIL", "cv2")}
MODULES = {"Pillow": "PIL", "OpenCV": "cv2", "scikit-image": "skimage"}


def reading_with(reader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_module(MODULES[reader], reader)
    for name in READERS[reader]:
        monkeypatch.setitem(sys.modules, name, None)


def image_files(folder: Path) -> dict[str, Path]:
    image = needs_module("PIL.Image", "Pillow")
    pixels = np.random.RandomState(2).randint(0, 256, (23, 31, 4), np.uint8)
    kinds = {
        "RGB": pixels[..., :3],
        "RGBA": pixels,
        "L": pixels[..., 0],
        "I;16": pixels[..., 0].astype(np.uint16) * 200,
    }
    for kind, values in kinds.items():
        image.fromarray(values).save(folder / f"{kind[0]}{len(kind)}.png")
    return {kind: folder / f"{kind[0]}{len(kind)}.png" for kind in kinds}


@pytest.mark.parametrize("reader", READERS)
def test_an_image_is_what_pycaffe_makes_of_it(reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever reads it; caffe.io itself does not work beside a scikit-image of today."""
    needs_module("PIL.Image", "Pillow")
    cases = []
    for path in image_files(tmp_path).values():
        for channels, size in ((3, (9, 7)), (3, (40, 50)), (1, (23, 31)), (1, (11, 50))):
            made = caffe.io.resize_image(caffe.io.load_image(path, channels == 3), size)
            cases.append((path, (2, channels, *size), made.transpose(2, 0, 1)[::-1] * 255))
    reading_with(reader, monkeypatch)
    for path, shape, want in cases:
        made = recorder.read_image(str(path), shape, [3.0], 0.5, False)
        np.testing.assert_allclose(made, np.broadcast_to((want - 3) / 2, shape), atol=1e-4)


def test_an_image_is_fed(files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = needs_module("PIL.Image", "Pillow")
    image.new("RGB", (7, 9), (10, 20, 30)).save(tmp_path / "x.png")
    out = tmp_path / "dump.h5"
    arguments = [*files, "-o", str(out), "--input", str(tmp_path / "x.png"), "--mean", "1,2,3", "--scale", "0.5"]
    assert record(monkeypatch, arguments) == 0
    with open_dump(out) as dump:
        assert isinstance(dump, LayerDump)
        fed = dump.inputs["data"]()
    assert fed.shape == (2, 3, 9, 7)
    bgr = np.array([(30 - 1) / 2, (20 - 2) / 2, (10 - 3) / 2])
    np.testing.assert_allclose(fed, np.broadcast_to(bgr[:, None, None], fed.shape), rtol=1e-5)  # x / 255 * 255


@pytest.mark.parametrize("name", ["24x24", "37x53", "64x40", "gray_15x9"])
def test_an_image_is_resized_as_pycaffe_did(name: str) -> None:
    kind, _, sizes = name.rpartition("_")
    with h5py.File(reference("runtime/runtime.h5")) as file:
        source, want = file[kind or "image"][()], file[f"resize_image/{name}"][()]
    np.testing.assert_allclose(recorder.resize(source, *map(int, sizes.split("x"))), want, atol=1e-5)


def test_a_stage_and_a_level(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [str(p) for p in write_net(tmp_path, STAGED)]
    out, chosen = tmp_path / "dump.h5", ["--stage", "deploy", "--level", "2"]
    for more, layers in (([], ["a"]), (chosen, ["a", "b"])):
        assert record(monkeypatch, [*files, "-o", str(out), *more], NetOf2017) == 0
        with open_dump(out) as dump:
            assert isinstance(dump, LayerDump) and [r.name for r in dump.records] == layers


LABELS = """name: "labels"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 40 dim: 4 } } }
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 40 } } }
layer { name: "word" type: "Input" top: "word" input_param { shape { dim: 40 } } }
layer { name: "odd" type: "Input" top: "odd" input_param { shape { dim: 40 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 3 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
layer { name: "embed" type: "Embed" bottom: "word" top: "embed" embed_param { num_output: 2 input_dim: 7 } }
layer { name: "hinge" type: "Slice" bottom: "odd" top: "x" top: "y" slice_param { axis: 1 slice_point: 1 } }
layer { name: "norm" type: "ArgMax" bottom: "ip" top: "best" }
layer { name: "batch" type: "Threshold" bottom: "x" top: "z" }
"""


def test_labels_and_indices_are_drawn_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [str(p) for p in write_net(tmp_path, LABELS)]
    np.save(tmp_path / "x.npy", np.random.RandomState(1).rand(50, 4).astype("f"))  # all follow its batch
    arguments = [*files, "-o", str(tmp_path / "d.h5"), "--input", f"data={tmp_path / 'x.npy'}"]
    assert record(monkeypatch, arguments) == 0
    with open_dump(tmp_path / "d.h5") as dump:
        assert isinstance(dump, LayerDump)
        fed = {blob: read() for blob, read in dump.inputs.items()}
    assert set(fed["label"]) == {0, 1, 2} and set(fed["word"]) == set(range(7))
    assert {len(x) for x in fed.values()} == {50} and np.abs(fed["odd"]).max() > 100


BOXES = """name: "boxes"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 4 } } }
layer { name: "boxes" type: "Input" top: "boxes" input_param { shape { dim: 2 dim: 4 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 4 } }
layer { name: "loss" type: "SmoothL1Loss" bottom: "ip" bottom: "boxes" top: "loss" }
"""


def test_noise_for_what_may_want_something_else_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(p) for p in write_net(tmp_path, BOXES)]
    np.save(tmp_path / "boxes.npy", np.zeros((2, 4), "f"))
    words = [*files, "-o", str(tmp_path / "d.h5")]
    assert record(monkeypatch, words) == 0
    said = 'warning: noise for input "boxes", of which layer "loss" may want something else; --input boxes=FILE\n'
    assert capsys.readouterr().err == said
    assert record(monkeypatch, [*words, "--input", f"boxes={tmp_path / 'boxes.npy'}"]) == 0
    assert capsys.readouterr().err == ""


def test_weights_that_are_not_there_are_told(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert record(monkeypatch, [*files, "-o", str(tmp_path / "d.h5")]) == 0
    assert "8 layers, weights of 4 of 4 layers, " in capsys.readouterr().out
    (tmp_path / "more").mkdir()
    more = (
        SMALL
        + 'layer { name: "more" type: "InnerProduct" bottom: "pool" top: "m" inner_product_param { num_output: 2 } }'
    )
    prototxt, _ = write_net(tmp_path / "more", more)
    assert record(monkeypatch, [str(prototxt), files[1], "-o", str(tmp_path / "d.h5")]) == 0
    said = capsys.readouterr()
    assert "weights of 4 of 5 layers" in said.out
    assert said.err.startswith("warning: 1 of 5 layers with weights are not in ") and said.err.endswith(": more\n")


def test_caffe_is_quiet_unless_somebody_asks(files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for asked, level in ((None, "2"), ("0", "0")):
        monkeypatch.delenv(GLOG, raising=False)
        if asked:
            monkeypatch.setenv(GLOG, asked)
        assert record(monkeypatch, [*files, "-o", str(tmp_path / "d.h5")]) == 0
        assert os.environ[GLOG] == level


def test_a_dump_is_read_by_every_hdf5_since_1_8(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert record(monkeypatch, [*files, "-o", str(tmp_path / "d.h5"), "--samples", "5"]) == 0
    superblock, layouts = versions(tmp_path / "d.h5")
    assert superblock <= 2 and layouts == {3}


def test_without_h5py_an_npz_is_written(files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert record(monkeypatch, [*files, "-o", str(tmp_path / "dump.h5")]) == 0
    monkeypatch.undo()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dump.npz", "net.caffemodel", "net.prototxt"]
    assert caffe2py.verify(caffe2py.load(*files), tmp_path / "dump.npz").ok


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
