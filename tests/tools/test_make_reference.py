"""The part of the recorded truth that travels: packed, stripped, put back, and where tests find it."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import h5py
import numpy as np
import pytest

from caffe2py.proto.weights.read import read_weights
from tests.helpers import reference
from tools.make_caffemodel import make_caffemodel
from tools.make_reference import SEEDED, main, manifest_of, pack, seeded_input, stripped, unpack

NAMES = ["data", "some/boxes", "told"]
SHAPES = [(2, 3, 5, 7), (4, 5), (3,)]


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """Two inputs from a seed and one of its own, one layer, and a prototxt."""
    path = tmp_path / "dump.h5"
    with h5py.File(path, "w") as file:
        file.attrs.update(format="caffe-activations/1", input_seed="7", prototxt="theirs")
        for blob, shape in zip(NAMES[:2], SHAPES[:2], strict=True):
            file[f"input/{blob}"] = seeded_input(blob, shape, 7)
        file["input/told"] = np.arange(3, dtype=np.float32)
        file["layer/0000/top0"] = np.arange(5000.0)
        file["layer/0000"].attrs["name"] = "relu"
    return path


def held(path: Path) -> dict[str, object]:
    """All that is in a file: arrays by path, attributes by path and name."""
    found: dict[str, object] = {}
    with h5py.File(path) as file:
        for key, value in file.attrs.items():
            found[f"@{key}"] = value

        def add(name: str, one: h5py.Group | h5py.Dataset) -> None:
            found.update({f"{name}@{key}": value for key, value in one.attrs.items()})
            if isinstance(one, h5py.Dataset):
                found[name] = (one.dtype.str, one.shape, one[()].tobytes())

        file.visititems(add)
    return found


def test_a_dump_comes_back_whole_but_for_the_prototxt(dump: Path, tmp_path: Path) -> None:
    whole = held(dump)
    stripped(dump, tmp_path / "less.h5")
    less = held(tmp_path / "less.h5")
    assert json.loads(str(less[f"input@{SEEDED}"])) == {n: list(s) for n, s in zip(NAMES[:2], SHAPES[:2], strict=True)}
    assert not {"input/data", "input/some/boxes", "@prototxt"} & less.keys() and "input/told" in less
    packed = pack(tmp_path / "less.h5", tmp_path / "out" / "dump.h5")
    assert packed.name == "dump.h5.xz"
    unpack(packed, tmp_path / "again.h5")
    assert held(tmp_path / "again.h5") == {key: value for key, value in whole.items() if key != "@prototxt"}


def test_an_input_that_the_seed_does_not_give_stays(dump: Path, tmp_path: Path) -> None:
    with h5py.File(dump, "r+") as file:
        file["input/data"][0, 0, 0, 0] += 1
    stripped(dump, tmp_path / "less.h5")
    assert held(tmp_path / "less.h5")["input/data"] == held(dump)["input/data"]


def test_a_small_file_keeps_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "small.h5").write_bytes(b"x" * 1000)
    assert pack(tmp_path / "small.h5", tmp_path / "out.h5").read_bytes() == b"x" * 1000


def test_pixels_and_numbers_of_a_seed() -> None:
    """The first of each, as they stand in dumps that were recorded with input seed 1."""
    pixels, numbers = seeded_input("data", (1, 3, 9, 9), 1), seeded_input("data", (64, 1, 28, 28), 1)
    assert pixels.dtype == numbers.dtype == np.float32
    assert pixels.ravel()[:5].tolist() == [38, 125, 72, 82, -45]
    np.testing.assert_array_equal(numbers.ravel()[:2], np.array([0.1289955, -0.16483438], np.float32))


MANIFEST = {
    "seed": 20171,
    "net": "n",
    "layers": [
        {"name": "a/b", "type": "Convolution", "blobs": [{"shape": [2, 3, 4, 5], "low": -0.1234, "high": 0.1234}]},
        {"name": "bn", "type": "BatchNorm", "blobs": [{"shape": [9], "low": -3.5e4, "high": 2.95e4},
                                                      {"shape": [1], "low": 999.982, "high": 999.982}]},
    ],
}  # fmt: skip


def test_the_manifest_of_a_caffemodel(tmp_path: Path) -> None:
    make_caffemodel(MANIFEST, tmp_path / "n.caffemodel")
    found = manifest_of(tmp_path / "n.caffemodel", 20171)
    assert found == MANIFEST
    with pytest.raises(ValueError, match="not drawn from a range"):
        manifest_of(tmp_path / "n.caffemodel", 20172)


def test_the_whole_way(tmp_path: Path) -> None:
    full, out = tmp_path / "full", tmp_path / "out"
    (full / "layers").mkdir(parents=True)
    (full / "layers" / "ReLU.h5").write_bytes(bytes(50_000))
    (full / "layers" / "README.md").write_text("about")
    (full / "tiny").mkdir()
    make_caffemodel(MANIFEST, full / "tiny" / "n.caffemodel")
    (full / "tiny" / "n.prototxt").write_text("theirs")
    assert main([str(full), "-o", str(out)]) == 0
    files = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    assert files == ["layers/ReLU.h5.xz", "tiny/n.weights.json"]
    assert lzma.decompress((out / "layers" / "ReLU.h5.xz").read_bytes()) == bytes(50_000)
    make_caffemodel(json.loads((out / "tiny" / "n.weights.json").read_text()), tmp_path / "again.caffemodel")
    assert (tmp_path / "again.caffemodel").read_bytes() == (full / "tiny" / "n.caffemodel").read_bytes()
    assert read_weights(tmp_path / "again.caffemodel").name == "n"


# Where data is found


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(reference, "OWN", tmp_path / "own")
    monkeypatch.setattr(reference, "BESIDE", tmp_path / "beside")
    monkeypatch.delenv("CAFFE2PY_REFERENCE", raising=False)
    for file in ("own/zoo/a.json", "beside/zoo/a.json", "beside/zoo/a.prototxt", "asked/zoo/b.json", "own/x/c.txt"):
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file)
    return tmp_path


def said(pattern: str) -> list[str]:
    return [path.read_text() for path in reference.found(pattern)]


def test_what_travels_comes_before_what_lies_beside(folders: Path) -> None:
    assert said("zoo/*.json") == ["own/zoo/a.json"]
    assert said("zoo/*.prototxt") == ["beside/zoo/a.prototxt"]
    assert said("zoo/*.none") == []


def test_of_a_folder_that_is_asked_for_it_alone_counts(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAFFE2PY_REFERENCE", str(folders / "asked"))
    assert said("zoo/*.json") == ["asked/zoo/b.json"] and said("zoo/*.prototxt") == []
    assert said("x/c.txt") == ["own/x/c.txt"]


def test_packed_files_come_unpacked(folders: Path) -> None:
    (folders / "own" / "x" / "d.txt.xz").write_bytes(lzma.compress(b"packed"))
    assert said("x/*.txt") == ["own/x/c.txt", "packed"]
    assert [path.name for path in reference.found("x/*.txt")] == ["c.txt", "d.txt"]
    assert reference.reference("x/d.txt").read_text() == "packed"


def test_what_nobody_has_is_said(folders: Path) -> None:
    with pytest.raises(pytest.skip.Exception, match=r"absent: zoo/none, in none of .*own, .*beside"):
        reference.reference("zoo/none")


def test_it_is_all_there() -> None:
    """A file of tests/reference that no longer unpacks would else only be missed by the test that asks for it."""
    packed = sorted(reference.OWN.rglob("*.xz"))
    assert len(packed) > 100
    for path in packed:
        assert lzma.decompress(path.read_bytes())
    assert sum(path.stat().st_size for path in reference.OWN.rglob("*") if path.is_file()) < 40e6
