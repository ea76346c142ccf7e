"""Names out of files do nothing to a terminal, wherever a command prints them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from caffe2py.errors import LINE, CaffeError, shown
from caffe2py.proto.text.writer import quoted
from tests.helpers.nets import command, write_net

# A title, a colour, a cursor's move, a fake line, C1's own CSI, a turned direction, and blanks that are none.
EVIL = "\x1b]0;owned\x07\x1b[31mred\nfake 1 2 3\r\x9b2J\u202e\u2028\x00e"

NET = f"""name: {quoted(EVIL)}
layer {{ name: "x" type: "Input" top: {quoted(EVIL + "x")} input_param {{ shape {{ dim: 2 dim: 3 }} }} }}
layer {{ name: {quoted(EVIL)} type: "InnerProduct" bottom: {quoted(EVIL + "x")} top: {quoted(EVIL + "y")}
        inner_product_param {{ num_output: 2 }} }}
"""
UNKNOWN = f'name: "n" layer {{ name: "x" type: {quoted(EVIL)} top: "y" }}'
UNMADE = f'name: "n" layer {{ name: {quoted(EVIL)} type: "ReLU" bottom: {quoted(EVIL)} top: "y" }}'
LONG = f'name: "n" layer {{ name: "{"long" * 5000}" type: "ReLU" bottom: "{"long" * 5000}" top: "y" }}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_net(tmp_path, NET)
    (tmp_path / "net.prototxt").rename(tmp_path / "evil.prototxt")
    for name, text in {"unknown": UNKNOWN, "unmade": UNMADE, "long": LONG}.items():
        (tmp_path / f"{name}.prototxt").write_text(text)
    np.savez(tmp_path / "dump.npz", **{"a": np.zeros(3), "b": np.ones(2)})
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        "show evil.prototxt",
        "show evil.prototxt --json",
        "show net.caffemodel",
        "show unmade.prototxt",
        "show long.prototxt",
        "identify evil.prototxt net.caffemodel",
        "identify evil.prototxt --json",
        "convert evil.prototxt net.caffemodel -o out.pt",
        "convert unknown.prototxt -o out.pt",
        "convert unknown.prototxt -o out.onnx",
        "convert evil.prototxt net.caffemodel -o out.h5",
        "record evil.prototxt net.caffemodel -o ours.npz --json",
        "record evil.prototxt net.caffemodel -o ours.h5 --from dump.npz",
        "verify evil.prototxt net.caffemodel --against ours.npz --all",
        "verify evil.prototxt net.caffemodel --against ours.npz --json",
        "verify evil.prototxt net.caffemodel --against dump.npz",
        "compare ours.npz ours.npz --all",
        "compare ours.npz dump.npz",
        "archive create evil.prototxt net.caffemodel -o bundle.tar",
    ],
)
def test_what_is_printed_has_no_effect(words: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    if "ours.npz" in words and "record" not in words:
        assert command(*"record evil.prototxt net.caffemodel -o ours.npz".split()).status == 0
    done = command(*words.split())
    assert done.status in (0, 1)
    said = done.out + done.err
    assert said
    assert not {c for c in said if not c.isprintable()} - {"\n"}
    assert not [line for line in said.splitlines() if line.startswith("fake")]
    if "--json" in words:
        json.loads(done.out)
    if done.status:
        assert done.err.startswith("caffe2py: ")
        assert "internal error" not in done.err
        assert len(done.err) < 2 * LINE, len(done.err)


def test_json_keeps_names(folder: Path) -> None:
    said = json.loads(command("show", folder / "evil.prototxt", "--json").out)
    assert said["net"] == EVIL


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("conv1", "conv1"),
        ("卷积é", "卷积é"),
        ("a\x1b[0m\n\x9b", r"a\x1b[0m\n\x9b"),
        ("\u202e\udcff", r"\u202e\udcff"),
        ("ab" * 200, "ab" * 73 + "a..." + "ab" * 25),
    ],
)
def test_shown(text: str, want: str) -> None:
    assert shown(text) == want


def test_lines_of_an_error_are_its_own() -> None:
    error = CaffeError("two\nare wrong:", "net\x1b.prototxt", lines=['  "a\nb"', "  c"])
    assert str(error) == 'net\\x1b.prototxt: two\\nare wrong:\n  "a\\nb"\n  c'
