"""`identify`: known releases by size and hash, registries of one's own, and the kind of an unknown file."""

from __future__ import annotations

import hashlib
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

import caffe2py
from caffe2py.errors import FileError
from caffe2py.evaluate import identify
from caffe2py.evaluate.releases.identification import release_of
from caffe2py.evaluate.releases.models import prototxt
from caffe2py.evaluate.releases.registry import read_registry, releases, shipped
from caffe2py.proof.record import noise, record
from tests.helpers.absent import each
from tests.helpers.nets import command, graph_of, write_net
from tests.helpers.reference import found, reference
from tools.make_prototxt import NETS

SENET = [release for release in shipped() if "SENet release" in (release.title or "")]


def test_the_seven_nets_of_the_release_are_known() -> None:
    known = json.loads(reference("known_caffemodels.json").read_text())["models"]
    assert [release.name for release in SENET] == list(NETS)
    for release in SENET:
        recorded = known[release.name]
        for kind in ("prototxt", "caffemodel"):
            file, wanted = release.file(kind), recorded[kind] or {}
            assert file is not None
            assert (file.size, file.sha384) == (wanted.get("size"), wanted.get("sha384")), (release.name, kind)
            assert file.source == wanted.get("url_recorded")
        assert release.class_order == "devkit" and release.licence == "Apache-2.0" and release.published
        if "omz_top1_acc" in recorded:
            errors = (100 - recorded["omz_top1_acc"], 100 - recorded["omz_top5_acc"])
            assert (release.others or {})["Open Model Zoo"] == pytest.approx(errors, abs=1e-9)


@each("path", found("senet/original/*.prototxt"), "the release's prototxts", ids=lambda path: path.stem)
def test_the_released_prototxts_are_identified(path: Path) -> None:
    known = identify(path)
    assert known.release is not None and known.released_file is not None
    assert (known.release.name, known.released_file.kind) == (path.stem, "prototxt")
    assert known.kind.startswith(f'a prototxt: net "{known.release.net}", ')


@pytest.mark.parametrize("name", NETS)
def test_every_net_comes_with_its_prototxt(name: str) -> None:
    import caffe2py

    release = next(release for release in SENET if release.name == name)
    assert (
        caffe2py.load(prototxt(name)).name
        == release.net
        == release_of(graph_of(prototxt(name).read_text()), SENET)[0].net
    )  # type: ignore[union-attr]


MINE = """
[[release]]
name = "mine"
net = "small net"
licence = "MIT"
class_order = "synset"
published = [20, 5.5]
mean = [1, 2, 3]
prototxt = "net.prototxt"

[[release.file]]
kind = "caffemodel"
name = "net.caffemodel"
{what} = "{value}"
{size}
"""


@pytest.mark.parametrize("size", [True, False], ids=["size", "no size"])
@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512"])
def test_a_registry_of_one_s_own(algorithm: str, size: bool, tmp_path: Path) -> None:
    _, weights = write_net(tmp_path)
    value = hashlib.new(algorithm, weights.read_bytes()).hexdigest().upper()
    line = f"size = {weights.stat().st_size}" if size else ""
    (tmp_path / "mine.toml").write_text(MINE.format(what=algorithm, value=value, size=line))
    found = identify(weights, [tmp_path / "mine.toml"])
    assert found.release is not None
    assert (found.release.name, found.release.published, found.release.mean) == ("mine", (20, 5.5), (1, 2, 3))
    assert found.release.prototxt == str(tmp_path / "net.prototxt")
    assert identify(weights).release is None
    done = command("identify", weights, "--registry", tmp_path / "mine.toml")
    assert (done.status, done.err) == (0, "")
    assert [line.split(maxsplit=1) for line in done.out.splitlines()[4:]] == [
        ["licence", "MIT"],
        ["published", "top-1 20.0 %, top-5 5.5 % error"],
        ["class", "order  synset"],
        ["mean", "(BGR)   1, 2, 3"],
    ]


def test_a_damaged_file_is_told_by_its_size(tmp_path: Path) -> None:
    _, weights = write_net(tmp_path)
    line = f"size = {weights.stat().st_size}"
    (tmp_path / "mine.toml").write_text(MINE.format(what="sha256", value="0" * 64, size=line))
    assert identify(weights, [tmp_path / "mine.toml"]).notes == (
        "it has the size of net.caffemodel (mine), and another hash: damaged, or saved again",
        "its net has the name of mine: the same net, trained on or saved again?",
    )


def test_a_registry_comes_before_what_ships(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[[release]]\nname = "SENet-154"\nlicence = "mine"\n')
    found = [release for release in releases([tmp_path / "mine.toml"]) if release.name == "SENet-154"]
    assert [release.licence for release in found] == ["mine"]


KINDS = {
    "JPEG": (b"\xff\xd8\xff\xe0 and so on", "a JPEG picture"),
    "text": (b"hello", "text"),
    "empty": (b"", "an empty file"),
    "web page": (b"<!DOCTYPE html><html>", "a web page (an error page saved under the file's name?)"),
    "prototxt": (b'name: "n" layer { name: "a" type: "Input" top: "a" }', 'a prototxt: net "n", 1 layers'),
}


@pytest.mark.parametrize(("content", "kind"), KINDS.values(), ids=KINDS)
def test_an_unknown_file_s_kind_is_told(content: bytes, kind: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    found = identify(tmp_path / "file")
    assert (found.release, found.kind) == (None, kind)
    as_json = json.loads(command("identify", tmp_path / "file", "--json").out)
    assert as_json[0]["sha384"] == hashlib.sha384(content).hexdigest()


def test_a_caffemodel_s_net_is_named(tmp_path: Path) -> None:
    _, weights = write_net(tmp_path)
    assert identify(weights).kind == 'a caffemodel: net "small net", 9 layers'


OURS = 'made by caffe2py of net "small net"'
MADE = {
    "a.pt": f"a file of torch.save, {OURS}",
    "a.pt2": f"a program exported by torch.export, {OURS}",
    "a.onnx": f"an ONNX model, {OURS}",
    "a.safetensors": f"a safetensors file of 9 tensors, {OURS}",
    "a.pth": "a file of torch.save",
    "d.h5": 'recorded activations: net "small net", 8 layers',
    "d.npz": 'recorded activations: net "small net", 8 layers',
    "plain.npz": "an .npz of 2 arrays",
    "plain.zip": "a zip archive",
    "cut.pt": "a zip archive, as torch.save and numpy.savez write them (a damaged file (BadZipFile: File is not a zip",
    "bad.safetensors": "a safetensors file (a damaged file (",
    "made.pt2": "a program exported by torch.export",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    graph = caffe2py.load(*write_net(folder))
    for name in ("a.pt", "a.pt2", "a.onnx", "a.safetensors", "a.py"):
        caffe2py.convert(graph, folder / name)
    for name in ("d.h5", "d.npz"):
        record(graph, noise(graph), folder / name)
    np.savez(folder / "plain.npz", a=np.zeros(3), b=np.ones(2))
    with zipfile.ZipFile(folder / "plain.zip", "w") as file:
        file.writestr("a.txt", "text")
    (folder / "cut.pt").write_bytes((folder / "a.pt").read_bytes()[:500])
    (folder / "bad.safetensors").write_bytes(struct.pack("<Q", 20) + b'{"a": nothing       ' + bytes(100))
    with zipfile.ZipFile(folder / "made.pt2", "w") as file:
        file.writestr("a/archive_format", "pt2")
    return folder


@pytest.mark.parametrize("name", MADE)
def test_what_we_write_is_known_again(name: str, made: Path) -> None:
    assert identify(made / name).kind.startswith(MADE[name])


BAD = {
    "no TOML": ("[[release", "no TOML: "),
    "no release": ("[other]", "want [[release]] entries and nothing else"),
    "no name": ("[[release]]\nlicence = 'MIT'", 'release 1 "": has no "name"'),
    "no kind": ("[[release]]\nname = 'a'\n[[release.file]]\nname = 'b'", 'release 1 "a", file 1: has no "kind"'),
    "unknown key": ("[[release]]\nname = 'a'\nlicense = 'MIT'", 'release 1 "a": no key "license"; want name, '),
    "order": ("[[release]]\nname = 'a'\nclass_order = 'x'", 'class_order is "x"; want devkit or synset'),
    "error": ("[[release]]\nname = 'a'\npublished = [1]", "an error is [top-1, top-5] in per cent"),
    "mean": ("[[release]]\nname = 'a'\nmean = 'x'", "mean: want a list of numbers"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_bad_registry_is_told_by_entry_and_key(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(FileError) as error:
        read_registry(tmp_path / "r.toml")
    assert str(error.value).startswith(f"{tmp_path / 'r.toml'}: ") and message in str(error.value)


@pytest.mark.parametrize(
    ("name", "message"), [("nowhere", "no such file or directory"), (".", "is a folder; want a file")]
)
def test_what_cannot_be_read_is_one_line(name: str, message: str, tmp_path: Path) -> None:
    done = command("identify", tmp_path / name)
    assert (done.status, done.err) == (1, f"caffe2py: {tmp_path / name}: {message}\n")
