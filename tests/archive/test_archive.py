"""Bundles: what is in them, that others can read it, that the same files make the same bytes, and the command line."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

import caffe2py
from caffe2py.archive import check, create, create_all, create_hub_folder, describe, extract
from caffe2py.archive.bundles.hashes import Hashes, hash_file, hash_range
from caffe2py.archive.contents.info import Info, read_info
from caffe2py.errors import CaffeError, FileError
from caffe2py.picture import extras
from caffe2py.proof.record import noise, record
from caffe2py.proto.disk.digests import LARGE, PIECE
from tests.helpers.absent import absent, needs_module
from tests.helpers.emitted import load_py
from tests.helpers.nets import SMALL, command, write_net

PICTURES = """# mean_value: 104, 117, 123
name: "pictures"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 9 dim: 7 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 5 kernel_size: 3 } }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc" inner_product_param { num_output: 4 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
CARD = """
title = "Pictures"
authors = ["Ada B.", "C. D."]
licence = "Apache-2.0"
licence_file = "LICENSE"
labels = "words.txt"
source = "https://example.org/pictures"
citation = "@misc{pictures, title={Pictures}}"
published = { "top-1 error, %" = 18.68 }
"""


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("net")
    (folder / "LICENSE").write_text("Do what you like.\n")
    (folder / "words.txt").write_text("cat\ndog\nhen\nowl\n")
    (folder / "card.toml").write_text(CARD)
    return write_net(folder, PICTURES)


@pytest.fixture(scope="module")
def folder(net: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle as a folder, with all that a card can say."""
    made = tmp_path_factory.mktemp("bundle") / "net.bag"
    assert create(*net, made, info=read_info(net[0].with_name("card.toml")), date="2026-11-21").ok
    return made


def test_originals_are_kept_bit_for_bit(net: tuple[Path, Path], folder: Path) -> None:
    for file in (*net, net[0].with_name("LICENSE"), net[0].with_name("words.txt")):
        assert (folder / "data" / "original" / file.name).read_bytes() == file.read_bytes()
    schema = folder / "data" / "schema" / "caffe.proto"
    assert schema.read_bytes() == (Path(__file__).parents[2] / "protos" / "caffe.proto").read_bytes()


def test_bagit_finds_the_bag_valid(folder: Path) -> None:
    bagit = needs_module("bagit", "bagit")
    done = subprocess.run([sys.executable, bagit.__file__, "--validate", folder], capture_output=True, text=True)
    assert done.returncode == 0 and "is valid" in done.stderr, done.stderr


@pytest.mark.parametrize("algorithm", ["sha512", "sha256"])
@pytest.mark.parametrize("kind", ["manifest", "tagmanifest"])
def test_coreutils_find_the_files_right(kind: str, algorithm: str, folder: Path) -> None:
    tool = shutil.which(f"{algorithm}sum")
    if tool is None:
        absent(f"{algorithm}sum")
    words = [tool, "--strict", "-c", f"{kind}-{algorithm}.txt"]
    assert subprocess.run(words, cwd=folder, capture_output=True).returncode == 0


def test_rocrate_reads_the_metadata(folder: Path) -> None:
    rocrate = needs_module("rocrate.rocrate", "rocrate")
    found = rocrate.ROCrate(folder / "data")
    assert found.name == "Pictures" and found.datePublished.date().isoformat() == "2026-11-21"
    assert found.license.id == "https://spdx.org/licenses/Apache-2.0"
    assert [a["name"] for a in found.root_dataset["author"]] == ["Ada B.", "C. D."]
    described = {entity.id for entity in found.data_entities}
    payload = {f.relative_to(folder / "data").as_posix() for f in (folder / "data").rglob("*") if f.is_file()}
    assert described == payload - {"ro-crate-metadata.json"}


def test_a_validator_finds_the_crate_valid(folder: Path) -> None:
    tool = shutil.which("rocrate-validator")
    if tool is None:
        absent("roc-validator, which asks for an older rich, and fetches RO-Crate's context")
    words = [tool, "-y", "validate", "--no-paging", "-p", "ro-crate-1.3", "-l", "required", str(folder / "data")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_card_says_what_is_known_and_what_is_not(net: tuple[Path, Path], folder: Path, tmp_path: Path) -> None:
    said = (folder / "data" / "README.md").read_text()
    wanted = ["# Pictures", 'license: "apache-2.0"', "Ada B., C. D.", "https://example.org/pictures", "@misc{pictures"]
    wanted += ["top-1 error, %: 18.68", "mean 104, 117, 123", "| classes | 4 |", "| labels | words.txt |"]
    wanted += ["No activations of Caffe were given", hash_file(net[1]).sha256, hash_file(net[1]).swhid]
    assert [each for each in wanted if each not in said] == []
    create(*net, tmp_path / "bag")
    bare = (tmp_path / "bag" / "data" / "README.md").read_text()
    unknown = ['license: "unknown"', "| licence | unknown |", "| authors | unknown |", "Published: unknown"]
    assert [each for each in unknown if each not in bare] == []
    config = json.loads((folder / "data" / "converted" / "config.json").read_text())
    assert config["id2label"] == {"0": "cat", "1": "dog", "2": "hen", "3": "owl"}


def test_the_source_runs_with_its_weights(net: tuple[Path, Path], folder: Path) -> None:
    x = np.random.RandomState(3).uniform(-128, 128, (1, 3, 9, 7)).astype(np.float32)
    with torch.no_grad():
        ours = load_py(folder / "data" / "converted" / "model.py")(torch.from_numpy(x)).numpy()
    wanted = caffe2py.run(caffe2py.load(*net), {"data": x})["prob"]
    np.testing.assert_allclose(ours, wanted, rtol=1e-5, atol=1e-7)  # a few hundred float32 products, in another order


def test_the_same_files_make_the_same_bytes(net: tuple[Path, Path], tmp_path: Path) -> None:
    """In two processes, into two names, from copies of another age, in another folder."""
    other = tmp_path / "elsewhere"
    other.mkdir()
    copies = [Path(shutil.copy(file, other)) for file in net]
    os.utime(copies[0], (1, 1))
    create(*net, tmp_path / "a.tar")
    words = [sys.executable, "-m", "caffe2py", "archive", "create", *map(str, copies), "-o", str(tmp_path / "b.tar")]
    env = {**os.environ, "PYTHONHASHSEED": "5", "OMP_NUM_THREADS": "2", "TZ": "Asia/Tokyo"}
    subprocess.run(words, check=True, capture_output=True, env=env, cwd=Path(__file__).parents[2])
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_a_date_is_written_where_one_is_given(
    net: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1504569600")
    create(*net, tmp_path / "a.tar")
    assert describe(tmp_path / "a.tar")["made_on"] == "2017-09-05T00:00:00Z"
    listed = subprocess.run(
        ["tar", "tvf", tmp_path / "a.tar"], capture_output=True, text=True, env={"TZ": "UTC"}
    ).stdout
    assert all("2017-09-05 00:00" in line for line in listed.splitlines()) and listed
    with pytest.raises(CaffeError, match="is no date"):
        create(*net, tmp_path / "b.tar", date="soon")


def test_check_answers_every_question(folder: Path, net: tuple[Path, Path], tmp_path: Path) -> None:
    create(*net, tmp_path / "net.tar")
    for bundle in (folder, tmp_path / "net.tar"):
        findings = check(bundle).findings
        assert [f.what for f in findings if f.status == "ok"] == (
            "layout manifests metadata originals translation activations onnx".split()
        ), findings


def test_extracted_is_what_a_folder_would_be(net: tuple[Path, Path], tmp_path: Path) -> None:
    create(*net, tmp_path / "net.tar")
    create(*net, tmp_path / "bag")
    extract(tmp_path / "net.tar", tmp_path / "out")

    def content(top: Path) -> dict[str, bytes]:
        return {f.relative_to(top).as_posix(): f.read_bytes() for f in top.rglob("*") if f.is_file()}

    assert content(tmp_path / "out") == content(tmp_path / "bag")


def test_activations_of_caffe_are_kept_and_named(net: tuple[Path, Path], tmp_path: Path) -> None:
    graph = caffe2py.load(*net)
    dump = tmp_path / "caffe.h5"
    record(graph, noise(graph, 3), dump)
    made = create(*net, tmp_path / "bag", against=dump)
    assert (made.recorded_by, made.ok) == ("Caffe", True)
    assert (tmp_path / "bag/data/verify/activations.h5").read_bytes() == dump.read_bytes()
    said = describe(tmp_path / "bag")["activations"]
    assert (said["recorded_by"], said["given_as"], said["seed"]) == ("Caffe", "caffe.h5", None)
    assert "given as recorded in Caffe" in (tmp_path / "bag/data/README.md").read_text()


def test_a_dump_of_another_net_makes_an_unverified_bundle(net: tuple[Path, Path], tmp_path: Path) -> None:
    """It is made, says so, the command ends with 3, and so does every check."""
    other = tmp_path / "other"
    other.mkdir()
    graph = caffe2py.load(*net)
    rng = np.random.RandomState(1)
    blobs = {
        n.name: [rng.uniform(-1, 1, w.shape).astype(np.float32) for w in n.weights] for n in graph.nodes if n.weights
    }
    wrong = caffe2py.load(*write_net(other, PICTURES, blobs))
    record(wrong, noise(wrong), tmp_path / "dump.h5")
    done = command("archive", "create", *net, "-o", tmp_path / "bag", "--against", tmp_path / "dump.h5")
    assert done.status == 3 and "FAILED" in done.out, done
    found = command("archive", "check", tmp_path / "bag")
    assert found.status == 3 and "was not verified" in found.out, found


@pytest.mark.parametrize("size", [0, 1, 1000, LARGE + 5, 3 * PIECE + 1])
def test_names_of_content(size: int, tmp_path: Path) -> None:
    data = np.random.RandomState(size % 97).bytes(size)
    (tmp_path / "f").write_bytes(data)
    found = hash_file(tmp_path / "f")
    git_name = hashlib.sha1(b"blob %d\0" % size + data).hexdigest()
    assert found == Hashes(
        size, hashlib.sha256(data).hexdigest(), hashlib.sha512(data).hexdigest(), f"swh:1:cnt:{git_name}"
    )
    assert (
        hash_range(tmp_path / "f", size // 3, size - size // 3).sha256 == hashlib.sha256(data[size // 3 :]).hexdigest()
    )
    with pytest.raises(FileError, match="ends 1 bytes too early"):
        hash_range(tmp_path / "f", 0, size + 1)
    git = shutil.which("git")
    if git:
        blob = subprocess.run([git, "hash-object", tmp_path / "f"], capture_output=True, text=True, check=True)
        assert found.swhid == f"swh:1:cnt:{blob.stdout.strip()}"


def test_without_the_extra_for_pictures(
    net: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bundle is made without them, and says so."""
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    done = command("archive", "create", *net, "-o", tmp_path / "a.tar")
    why = "verify/report.html could not be made: pictures and pages need pygraphviz: pip install 'caffe2py[report]'"
    assert done.status == 0 and f"note: {why}" in done.err, done
    assert describe(tmp_path / "a.tar")["notes"] == [why]
    assert check(tmp_path / "a.tar").ok


def test_a_folder_for_hugging_face(net: tuple[Path, Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file

    create_hub_folder(*net, tmp_path / "hf", info=Info(title="Pictures"))
    made = tmp_path / "hf"
    assert sorted(f.name for f in made.iterdir()) == ["README.md", "config.json", "model.py", "model.safetensors"]
    assert (made / "README.md").read_text().startswith("---\nlicense: ")
    state = caffe2py.to_torch(caffe2py.load(*net)).state_dict()
    stored = load_file(made / "model.safetensors")
    assert stored.keys() == state.keys() and all(torch.equal(stored[k], state[k]) for k in state)


def test_a_folder_of_models(tmp_path: Path) -> None:
    models = tmp_path / "models"
    for name, text in (("one", SMALL), ("two", PICTURES), ("bad", PICTURES), ("alone", SMALL)):
        (models / name).mkdir(parents=True)
        for file in write_net(models / name, text):
            file.rename(file.with_name(f"{name}{file.suffix}"))
    (models / "alone" / "alone.prototxt").unlink()
    (models / "bad" / "bad.caffemodel").write_bytes(b"no caffemodel")
    (models / "two" / "two.toml").write_text('licence = "MIT"\ntitle = "<Two>"\n')
    done = command("archive", "create", "--all", models, "-o", tmp_path / "out")
    assert done.status == 1, done
    rows = {row["name"]: row for row in csv.DictReader((tmp_path / "out/index.csv").read_text().splitlines())}
    assert {name: row["status"] for name, row in rows.items()} == {
        "alone": "failed", "bad": "failed", "one": "made", "two": "made"
    }  # fmt: skip
    assert "no prototxt" in rows["alone"]["error"] and "bad.caffemodel" in rows["bad"]["error"]
    assert rows["two"]["licence"] == "MIT"
    assert rows["one"]["sha256"] == hashlib.sha256((tmp_path / "out/one.tar").read_bytes()).hexdigest()
    page = (tmp_path / "out/index.html").read_text()
    assert all(name in page for name in rows) and 'href="two.tar"' in page
    assert check(tmp_path / "out" / "two.tar", files_only=True).ok
    again = create_all(models, tmp_path / "out")
    assert [e.status for e in again] == ["failed", "failed", "was there already", "was there already"]


def test_show_and_json(net: tuple[Path, Path], tmp_path: Path) -> None:
    made = command("archive", "create", *net, "-o", tmp_path / "a.tar", "--licence", "MIT", "--author", "Ada", "--json")
    assert json.loads(made.out)["ok"] is True
    shown = command("archive", "show", tmp_path / "a.tar")
    assert all(word in shown.out for word in ("MIT", "Ada", "swh:1:cnt:", "title       unknown")), shown
    checked = json.loads(command("archive", "check", tmp_path / "a.tar", "--files-only", "--json").out)
    assert checked["ok"] and [f["what"] for f in checked["findings"]] == ["layout", "manifests"]


BAD = {
    "no net": (["archive", "create", "-o", "x.tar"], 2, "want NET.prototxt and NET.caffemodel"),
    "no file": (["archive", "create", "no.prototxt", "no.caffemodel", "-o", "x.tar"], 1, "no.prototxt: no such file"),
    "no folder": (["archive", "create", "a", "b", "-o", "no/x.tar"], 1, 'there is no folder "no"'),
    "no bundle": (["archive", "check", "no.tar"], 1, "no.tar: no such file"),
    "nothing to show": (["archive", "show", "no.tar"], 1, "no.tar: no such file"),
    "one net's dialect": (["archive", "create", "--all", ".", "-o", "out", "--dialect", "ssd"], 2, "no '--dialect'"),
    "one net's phase": (["archive", "create", "--all", ".", "-o", "out", "--phase", "TRAIN"], 2, "no '--phase'"),
    "one of many": (["archive", "create", "a", "--all", ".", "-o", "out"], 2, "no '[NET.prototxt]'"),
    "no models": (["archive", "create", "--all", ".", "-o", "out"], 1, "holds no caffemodel"),
    "no card": (["archive", "create", "a", "b", "-o", "x.tar", "--info", "no.toml"], 1, "no.toml: no such file"),
    "compressed": (["archive", "create", "a", "b", "-o", "x.tar.gz"], 1, "plain .tar"),
}


@pytest.mark.parametrize(("words", "status", "said"), BAD.values(), ids=BAD)
def test_errors(words: list[str], status: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = command(*words)
    assert done.status == status and said in done.err, done
    assert list(tmp_path.iterdir()) == []


CARDS = {
    "unknown key": ('tittle = "x"', 'no key "tittle"'),
    "no TOML": ("title = ", "no TOML"),
    "a name for a list": ('authors = "Ada"', "authors: want a list of names"),
    "a number for a text": ("title = 3", "title: want a text"),
}


@pytest.mark.parametrize(("text", "said"), CARDS.values(), ids=CARDS)
def test_cards_that_are_not_understood(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "card.toml").write_text(text)
    with pytest.raises(CaffeError, match=said):
        read_info(tmp_path / "card.toml")


def test_signing(net: tuple[Path, Path], tmp_path: Path) -> None:
    if importlib.util.find_spec("model_signing") is None:
        done = command("archive", "create", *net, "-o", tmp_path / "a.tar", "--sign", "key.pem")
        assert done.status == 1 and "pip install 'caffe2py[sign]'" in done.err, done
        assert not (tmp_path / "a.tar").exists()
        return
    for words in (
        ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "k"],
        ["ec", "-in", "k", "-pubout", "-out", "p"],
    ):
        subprocess.run(["openssl", *words], cwd=tmp_path, check=True, capture_output=True)
    assert command("archive", "create", *net, "-o", tmp_path / "a.tar", "--sign", tmp_path / "k").status == 0
    assert command("archive", "check", tmp_path / "a.tar", "--files-only", "--public-key", tmp_path / "p").status == 0
    create(*net, tmp_path / "a.tar", date="2001-01-01")
    done = command("archive", "check", tmp_path / "a.tar", "--files-only", "--public-key", tmp_path / "p")
    assert done.status == 3 and "is not what a.tar.sig signs" in done.out


def test_the_schema_is_packed_into_the_wheel() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    packed = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert packed["protos/caffe.proto"] == "caffe2py/data/caffe.proto"
