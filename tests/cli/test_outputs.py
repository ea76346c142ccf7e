"""Every command with every output pointed at everything that it reads: nothing is destroyed."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import click
import numpy as np
import pytest

from caffe2py.cli.files import Input, Output
from caffe2py.errors import FileError
from caffe2py.evaluate.results.predictions import Folder
from tests.helpers.commands import COMMANDS
from tests.helpers.nets import command, write_net

# A line for each command; the words in capitals are inputs, and `=` stands before the one output that is tried.
LINES = {
    "convert": ["NET WEIGHTS --plugin PLUGIN -o =.pt .pt2 .py .onnx .safetensors .prototxt .caffemodel .h5"],
    "record": ["NET WEIGHTS --from DUMP --plugin PLUGIN -o =.h5 .npz"],
    "show": ["NET WEIGHTS --plugin PLUGIN --svg =.svg", "NET WEIGHTS --plugin PLUGIN --html =.html"],
    "verify": [
        "NET WEIGHTS --against DUMP --model MODEL --plugin PLUGIN --html =.html",
        "NET WEIGHTS --against DUMP --model MODEL --plugin PLUGIN --markdown =.md",
        "NET WEIGHTS --against ARRAYS --html =.html",
    ],
    "compare": ["DUMP OTHER --html =.html", "DUMP OTHER --markdown =.md"],
    "upgrade": ["NET -o =.prototxt", "WEIGHTS -o =.caffemodel"],
    "archive create": [
        "NET WEIGHTS --against DUMP --info CARD --licence-file LICENCE --labels LABELS --mean MEAN --citation CITATION "
        "--plugin PLUGIN --sign KEY -o =.tar",
        "--all MODELS -o =.d",
    ],
    "archive extract": ["BUNDLE -o =.d"],
    "data compute_image_mean": ["BUNDLE =.binaryproto .npy"],
    "data convert_imageset": ["IMAGES LABELS =.d"],
    "detect": ["NET WEIGHTS IMAGES --names LABELS --plugin PLUGIN --mean MEAN --transform NET -o =.png .d"],
    "evaluate": [
        "NET WEIGHTS --plugin PLUGIN --images IMAGES --labels LABELS --mean MEAN --transform NET --registry CARD -o =.d"
    ],
    "table": ["--weights MODELS --images IMAGES --labels LABELS --mean MEAN --transform NET --registry CARD -o =.d"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of each input, by the words of the lines above."""
    here = tmp_path_factory.mktemp("inputs")
    net, weights = write_net(here)
    net.rename(here / "NET")
    weights.rename(here / "WEIGHTS")
    assert command("record", here / "NET", here / "WEIGHTS", "-o", here / "d.npz").status == 0
    for word in ("DUMP", "OTHER"):
        shutil.copy(here / "d.npz", here / word)
    (here / "ARRAYS").mkdir()
    np.save(here / "ARRAYS" / "data.npy", np.zeros((2, 3, 9, 7), np.float32))
    np.save(here / "ARRAYS" / "prob.npy", np.zeros((2, 4), np.float32))
    assert command("convert", here / "NET", here / "WEIGHTS", "-o", here / "model.pt").status == 0
    (here / "model.pt").rename(here / "MODEL.pt")
    assert command("archive", "create", here / "NET", here / "WEIGHTS", "-o", here / "BUNDLE").status == 0
    for word in ("PLUGIN", "CARD", "LICENCE", "LABELS", "CITATION", "KEY"):
        (here / word).write_text(f"# {word}\n")
    (here / "MEAN").write_bytes(b"\x93NUMPY")
    for word in ("MODELS", "IMAGES"):
        (here / word).mkdir()
    write_net(here / "MODELS")
    (here / "IMAGES" / "one.png").write_bytes(b"\x89PNG")
    (here / "d.npz").unlink()
    return here


CASES = [
    (name, line, word, suffix)
    for name, lines in LINES.items()
    for line in lines
    for word in dict.fromkeys(
        w for w in line.replace("MODEL ", "MODEL.pt ").split() if w[0].isupper() and w[1:2].isupper()
    )
    for suffix in line.partition("=")[2].split()
]


def state(folder: Path) -> dict[str, str]:
    return {
        f.relative_to(folder).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() if f.is_file() else ""
        for f in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize(("name", "line", "word", "suffix"), CASES, ids=[f"{n} {w}{s}" for n, _, w, s in CASES])
def test_no_output_destroys_an_input(
    name: str, line: str, word: str, suffix: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    before = state(folder)
    given = line.partition("=")[0].replace("MODEL ", "MODEL.pt ").split()
    ways = {"link": tmp_path / f"link{suffix}", "itself": Path(word)}
    ways["link"].symlink_to(folder / word)
    if Path(word).is_file():
        ways["hard link"] = tmp_path / f"hard{suffix}"
        os.link(word, ways["hard link"])
    for way in ways.values():
        done = command(*name.split(), *given, way)
        assert done.status == 1, done
        assert "is read too" in done.err and f"{way} " in done.err.replace(":", " ") and word in done.err, done.err
    assert state(folder) == before
    assert ways["link"].is_symlink()


def test_the_lines_name_every_output_and_input() -> None:
    tried = {name: " ".join(lines).split() for name, lines in LINES.items()}
    for name, found in COMMANDS.items():
        outputs = [p for p in found.params if isinstance(p.type, Output)]
        assert bool(outputs) == (name in tried), name
        for p in found.params if outputs else ():
            if isinstance(p, click.Option) and isinstance(p.type, Input | Output):
                assert set(p.opts) & set(tried[name]), f"{name} {p.opts}"


def test_every_file_is_an_input_or_an_output() -> None:
    """What a metavar calls a file, a folder or something in one has a type that says so."""
    words = {"TEXT", "URL", "NAME", "DATE", "SEED", "N", "BLOB"}  # of what is no file
    for name, found in COMMANDS.items():
        for p in found.params:
            said = p.metavar or ""
            if said and said not in words and not isinstance(p.type, Input | Output):
                raise AssertionError(f"{name}: {p.name} {said}")


PLACES = [
    (name, line, suffix) for name, lines in LINES.items() for line in lines for suffix in line.partition("=")[2].split()
]


@pytest.mark.parametrize(("name", "line", "suffix"), PLACES, ids=[f"{n} {s}" for n, _, s in PLACES])
def test_a_folder_that_is_not_there_is_told_before_any_work(
    name: str, line: str, suffix: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for the commands that make it, which fail here for what they are given."""
    monkeypatch.chdir(folder)
    given = line.partition("=")[0].replace("MODEL ", "MODEL.pt ").split()
    done = command(*name.split(), *given, tmp_path / "none" / f"out{suffix}")
    makes = name in ("evaluate", "table")
    assert done.status == 1 and ("there is no folder" in done.err) == (not makes), done
    assert "internal error" not in done.err and done.out == ""


def test_a_folder_that_cannot_be_made_is_told(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (tmp_path / "file").touch()
    done = command("archive", "create", "--all", "MODELS", "-o", tmp_path / "file")
    assert done.status == 1 and "file: the folder cannot be made: file exists" in done.err, done
    with pytest.raises(FileError, match="out: the folder cannot be made: not a directory"):
        Folder(tmp_path / "file" / "out").begin({}, resume=False)


def test_overwrite_lets_it_happen(tmp_path: Path) -> None:
    net, weights = write_net(tmp_path)
    old = weights.read_bytes()
    refused = command("upgrade", weights, "-o", weights)
    assert (refused.status, weights.read_bytes()) == (1, old)
    assert "--overwrite" in refused.err
    net.write_text(f"# a comment\n{net.read_text()}")
    assert command("upgrade", net, "-o", net, "--overwrite").status == 0
    assert "comment" not in net.read_text()


def test_two_outputs_have_two_names(tmp_path: Path) -> None:
    net, _ = write_net(tmp_path)
    done = command("show", net, "--svg", tmp_path / "a", "--html", tmp_path / "a")
    assert done.status == 1
    assert "is written twice" in done.err
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("suffix", [".py", ".onnx"])
def test_what_is_written_beside_takes_no_place_of_others(suffix: str, tmp_path: Path) -> None:
    net, weights = write_net(tmp_path)
    out = tmp_path / f"out{suffix}"
    other = out.with_suffix({".py": ".pth", ".onnx": ".onnx.data"}[suffix])
    other.write_text("somebody's")
    done = command("convert", net, weights, "-o", out)
    assert done.status == 1
    assert str(out) in done.err and str(other) in done.err
    assert (other.read_text(), out.exists()) == ("somebody's", False)
    out.write_text("# somebody's as well")
    assert command("convert", net, weights, "-o", out).status == 1
    assert command("convert", net, weights, "-o", out, "--overwrite").status == 0
    assert command("convert", net, weights, "-o", out).status == 0  # what is ours may be made again


def test_weights_beside_an_output_are_an_input(tmp_path: Path) -> None:
    net, weights = write_net(tmp_path)
    weights = weights.rename(tmp_path / "in.pth")
    before = weights.read_bytes()
    done = command("convert", net, weights, "-o", tmp_path / "in.py")
    assert (done.status, weights.read_bytes()) == (1, before)
    assert "in.py" in done.err and "in.pth" in done.err


@pytest.mark.parametrize("out", ["-", "/dev/stdout", "/dev/fd/1"])
def test_standard_output_takes_no_file(out: str, tmp_path: Path) -> None:
    net, _ = write_net(tmp_path)
    done = command("upgrade", net, "-o", out)
    assert done.status == 2
    assert "standard output" in done.err


@pytest.mark.parametrize("name", ["predictions.csv", "results.csv", "result.json"])
def test_a_run_takes_no_place_of_others(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("somebody's")
    with pytest.raises(FileError, match=name):
        Folder(tmp_path).begin({}, resume=False)
    assert [f.name for f in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["index.csv", "index.html", "net.tar"])
def test_an_index_takes_no_place_of_others(name: str, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    write_net(tmp_path / "models")
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("somebody's")
    done = command("archive", "create", "--all", tmp_path / "models", "-o", out)
    assert done.status == 1
    assert name in done.out + done.err
    assert (out / name).read_text() == "somebody's"
