"""The seven SENet nets, as files and as tools/make_prototxt.py builds them, against the released ones."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from caffe2py.proto.schema import NetParameter
from tests.helpers.absent import each
from tests.helpers.reference import found
from tools.make_fingerprints import canonical, fingerprint, read
from tools.make_prototxt import NETS, build, main

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "models" / "prototxt"
RELEASED = json.loads((ROOT / "tests" / "reference" / "senet" / "fingerprints.json").read_text())["nets"]


def parse(text: str) -> Any:
    return text_format.Parse(text, NetParameter())


def lines(net: Any) -> list[str]:
    return [canonical(layer) for layer in net.layer]


def test_the_nets_are_the_released_ones() -> None:
    assert set(NETS) == set(RELEASED) == {path.stem for path in FILES.iterdir()}


@pytest.mark.parametrize("name", NETS)
def test_every_layer_has_the_released_fingerprint(name: str) -> None:
    net = read(FILES / f"{name}.prototxt")
    ours = [f"{layer.name} {fingerprint(layer)}" for layer in net.layer]
    differing = [
        f"layer {i}: want {want}, have {have}: {canonical(net.layer[i])}"
        for i, (have, want) in enumerate(zip(ours, RELEASED[name]["layers"], strict=False))
        if have != want
    ]
    assert differing == []
    assert (net.name, len(ours)) == (RELEASED[name]["name"], len(RELEASED[name]["layers"]))


@pytest.mark.parametrize("name", NETS)
def test_building_again_gives_the_same_bytes(name: str) -> None:
    assert build(name).encode() == (FILES / f"{name}.prototxt").read_bytes()


@each("path", found("senet/original/*.prototxt"), "the release's prototxts", ids=lambda path: path.stem)
def test_equals_the_release_field_by_field(path: Path) -> None:
    ours, release = parse(build(path.stem)), read(path)
    assert lines(ours) == lines(release)
    assert ours == release


@each("path", found("tiny/*.prototxt"), "the tiny nets that Caffe was given", ids=lambda path: path.stem)
def test_an_eighth_of_the_width_equals_the_tiny_net(path: Path) -> None:
    ours = parse(build(path.stem, width=Fraction(1, 8), input_size=64, classes=10))
    assert lines(ours) == lines(read(path))


@pytest.mark.parametrize("name", NETS)
def test_groups_divide_channels_at_odd_widths(name: str) -> None:
    for width in (Fraction(1, 100), Fraction(1, 3), Fraction(3, 7), Fraction(5, 2)):
        net = parse(build(name, width, input_size=96, classes=7))
        channels = {"data": 3}
        for layer in net.layer:
            first = channels.get(layer.bottom[0], 0) if layer.bottom else 0
            if layer.type == "Convolution":
                conv = layer.convolution_param
                assert first % conv.group == conv.num_output % conv.group == 0, (width, canonical(layer))
                first = conv.num_output
            elif layer.type == "Concat":
                first = sum(channels[blob] for blob in layer.bottom)
            elif layer.type == "Axpy":
                assert len({channels[blob] for blob in layer.bottom}) == 1, (width, canonical(layer))
            for top in layer.top:
                channels[top] = first or channels[top]
        assert net.layer[-2].inner_product_param.num_output == 7


BAD = {
    "unknown net": (["SENet-155"], 'no net "SENet-155"; want one of SE-BN-Inception,'),
    "width of none": (["--width", "0"], "width 0, input size 224, 1000 classes: each must be positive"),
    "width no number": (["--width", "1/0"], '"1/0" is no number'),
    "too small": (["SENet-154", "--input-size", "2"], "the input is too small: it leaves pool1/3x3_s2 a map of 1 x 1"),
    "branches differ": (["SE-BN-Inception", "--input-size", "200"], "inception_3c cannot halve a map of 25 x 25"),
    "among the released": (["--classes", "10"], "say where they go with -o FOLDER"),
}


@pytest.mark.parametrize(("argv", "message"), BAD.values(), ids=BAD)
def test_wrong_usage_says_what_is_wrong(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in FILES.iterdir()}
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in FILES.iterdir()} == before


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["SENet-154", "-o", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err == f"{tmp_path / 'file'}: File exists\n"


def test_the_script_needs_nothing_that_is_installed(tmp_path: Path) -> None:
    words = [sys.executable, "-S", "-m", "tools.make_prototxt", "SENet-154", "-o", tmp_path / "new"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", f"{tmp_path / 'new' / 'SENet-154.prototxt'}\n")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["SENet-154.prototxt"]
    assert (tmp_path / "new" / "SENet-154.prototxt").read_text() == build("SENet-154")
