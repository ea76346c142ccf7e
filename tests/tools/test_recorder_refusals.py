"""What the recorder refuses, in one line, before Caffe ends the process or runs in vain."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.absent import needs_module
from tests.helpers.nets import write_net
from tests.helpers.standin_caffe import STAGED, record
from tools import record_caffe_activations as recorder

# The words after the files, or all of them, and what is said. {} is the folder that `odd_files` fills.
SHAPED = ", without the axis of the batch; want (N, 3, 9, 7), by x[None]"
WRONG: dict[str, tuple[str, str]] = {
    "no prototxt": ("{}/no.prototxt {}/net.caffemodel", "{}/no.prototxt: no such file"),
    "no caffemodel": ("{}/net.prototxt {}/no.caffemodel", "{}/no.caffemodel: no such file"),
    "a folder": ("{} {}/net.caffemodel", "{}: a folder"),
    "nothing in it": ("{}/net.prototxt {}/empty", "{}/empty: empty"),
    "swapped": (
        "{}/net.caffemodel {}/net.prototxt",
        "{}/net.prototxt is text and {}/net.caffemodel is not: want NET.prototxt first, then NET.caffemodel",
    ),
    "two texts": ("{}/net.prototxt {}/net.prototxt", "{}/net.prototxt: text; want a caffemodel"),
    "two caffemodels": ("{}/net.caffemodel {}/net.caffemodel", "{}/net.caffemodel: not text; want a prototxt"),
    "no net": ("{}/words {}/net.caffemodel", "{}/words: not a net that this Caffe reads: 1:1 : "),
    "cut off": ("{}/net.prototxt {}/cut", "{}/cut: not a caffemodel: it ends in the middle of a field"),
    "no layer": ("{}/net.prototxt {}/named", "{}/named: not a caffemodel: there is no layer in it"),
    "weights of another net": (
        "{}/net.prototxt {}/other/net.caffemodel",
        "{}/other/net.caffemodel: none of the 4 layers with weights is in it; want the weights of this net",
    ),
    "suffix": ("-o {}/x.npy", "{}/x.npy: a dump is an .h5 or an .npz; want one of these suffixes"),
    "no folder": ("-o {}/none/dump.h5", "{}/none/dump.h5: there is no folder {}/none to write to"),
    "over an input": ("-o {}/link.h5", "{}/link.h5: is read too; want another name for the dump"),
    "no such input": ("--input label={}/x.npy", 'the net has no input "label"; its inputs are data'),
    "no such file": ("--input data={}/none.npy", "{}/none.npy: no such file"),
    "two for one": (
        "--input data={}/x.npy --input {}/words",
        'two files for input "data": {}/x.npy and {}/words',
    ),
    "no image": ("--input {}/words", "{}/words: cannot be read as an image (cannot identify image file"),
    "no array": ("--input {}/words.npy", "{}/words.npy: cannot be read as .npy ("),
    "texts": ("--input {}/texts.npy", "{}/texts.npy: holds <U1; want numbers"),
    "no batch": ("--input {}/one.npy", "{}/one.npy: has shape (3, 9, 7)" + SHAPED),
    "channels": ("--input {}/four.npy", "{}/four.npy: has shape (1, 4, 9, 7); the net wants (N, 3, 9, 7)"),
    "mean": ("--input {}/x.png --mean 1,2", "--mean has 2 values for 3 channels"),
    "seed": ("--seed -1", "--seed -1: want 0 to 4294967295"),
    "GPU": ("--gpu 0", "this Caffe cannot run on GPU 0; leave --gpu away to run on the CPU"),
    "stage": ("--stage deploy", "this pycaffe takes no --stage and no --level: it is older than 2016"),
}


@pytest.fixture
def odd_files(files: list[str], tmp_path: Path) -> Path:
    for name, shape in {"x": (2, 3, 9, 7), "one": (3, 9, 7), "four": (1, 4, 9, 7)}.items():
        np.save(tmp_path / f"{name}.npy", np.zeros(shape, "f"))
    np.save(tmp_path / "texts.npy", np.array(["a", "b"]))
    needs_module("PIL.Image", "Pillow").new("RGB", (7, 9), (10, 20, 30)).save(tmp_path / "x.png")
    (tmp_path / "words").write_text("'some words'\n")
    (tmp_path / "words.npy").write_text("some words\n")
    (tmp_path / "empty").touch()
    (tmp_path / "named").write_bytes(b"\x0a\x03net\x10\x01")
    (tmp_path / "cut").write_bytes(Path(files[1]).read_bytes()[:-7])
    (tmp_path / "link.h5").symlink_to(files[1])
    (tmp_path / "other").mkdir()
    write_net(tmp_path / "other", STAGED)
    return tmp_path


@pytest.mark.parametrize("case", WRONG)
def test_errors_are_one_line(
    odd_files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    words, said = (text.replace("{}", str(odd_files)) for text in WRONG[case])
    given = words if not words.startswith("-") else f"{odd_files}/net.prototxt {odd_files}/net.caffemodel {words}"
    out = [] if " -o " in given else ["-o", f"{odd_files}/dump.h5"]
    before = sorted(odd_files.rglob("*"))
    assert record(monkeypatch, [*given.split(), *out]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"error: {said}") and err.count("\n") == 1
    assert sorted(odd_files.rglob("*")) == before


DATA = """name: "reads"
layer { name: "d" type: "DummyData" top: "d" dummy_data_param { shape { dim: 2 } data_filler { value: 1 } } }
layer { name: "r" type: "ReLU" bottom: "d" top: "r" }
"""


def test_a_net_without_inputs_says_so(
    odd_files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (odd_files / "net.prototxt").write_text(DATA)
    given = [str(odd_files / name) for name in ("net.prototxt", "net.caffemodel")]
    x = str(odd_files / "x.npy")
    assert record(monkeypatch, [*given, "-o", str(odd_files / "d.h5"), "--input", x]) == 1
    said = f"error: --input {x}: the net has no inputs, its data layers read files of their own\n"
    assert capsys.readouterr().err == said


# A module that stands where caffe should, and what is said of it
CAFFES = {
    "none": ("", "no pycaffe here (No module named 'caffe'); put CAFFE/python on PYTHONPATH"),
    "no scikit-image": ("import skimage_io", "pycaffe is here, and needs skimage_io, which is not ("),
    "not built": ("from caffe._caffe import Net", "pycaffe does not load in Python 3"),
    "of another Python": ("print 'caffe'", "pycaffe does not load in Python 3"),
    "of another library": ("raise RuntimeError('module compiled against API version 0x10')", "pycaffe does not load"),
    "something else": ("x = 1", "what is called caffe here is no pycaffe (<module 'caffe' from"),
}


@pytest.mark.parametrize("case", CAFFES)
def test_a_caffe_that_does_not_load_is_told(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    source, said = CAFFES[case]
    if source:
        (tmp_path / "caffe").mkdir()
        (tmp_path / "caffe" / "__init__.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "caffe", raising=False)
    assert recorder.main([*files, "-o", str(tmp_path / "dump.h5")]) == 1
    sys.modules.pop("caffe", None)
    err = capsys.readouterr().err
    assert err.startswith(f"error: {said}") and err.count("\n") == 1


def test_scikit_image_is_asked_for_by_its_name() -> None:
    assert recorder.PACKAGES["skimage"] == "scikit-image"
