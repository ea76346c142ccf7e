"""What the commands say of a dialect, and take."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from caffe2py.proto import net_of
from caffe2py.proto.weights.read import read_weights
from tests.helpers.forks import said, saved
from tests.helpers.nets import command

SSD = """name: "n"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 2, 9, 9] } } }
layer { name: "perm" type: "Permute" bottom: "data" top: "perm" permute_param { order: [0, 2, 3, 1] } }
"""
PLAIN = SSD.replace("Permute", "Flatten").replace("permute_param { order: [0, 2, 3, 1] }", "")
FLOOR = SSD.replace("Permute", "Pooling").replace(
    "permute_param { order: [0, 2, 3, 1] }", "pooling_param { kernel_size: 2 round_mode: FLOOR }"
)


@pytest.fixture(params=["net.prototxt", "net.caffemodel"])
def ssd(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param
    path.write_bytes(SSD.encode() if path.suffix == ".prototxt" else saved("ssd", SSD))
    return path


def test_show_names_the_dialect(ssd: Path) -> None:
    done = command("show", ssd)
    assert done.status == 0 and "\ndialect: ssd\n" in done.out
    told = json.loads(command("show", ssd, "--json").out)
    assert told["dialects"] == ["ssd"]
    assert f"{ssd}: the dialect is ssd (permute_param)" in told["notes"]


def test_show_has_nothing_to_say_of_caffes_own(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(PLAIN)
    assert "dialect" not in command("show", path).out
    told = json.loads(command("show", path, "--json").out)
    assert told["dialects"] == ["bvlc"] and not any("dialect" in note for note in told["notes"])


@pytest.mark.parametrize("way", ["show", "upgrade", "convert"])
def test_a_dialect_is_said_where_a_file_does_not_tell(way: str, tmp_path: Path) -> None:
    path, out = tmp_path / "net.caffemodel", tmp_path / "again.caffemodel"
    path.write_bytes(saved("bvlc", FLOOR))
    words: list[object] = [way, path] if way == "show" else [way, path, "-o", out]
    done = command(*words)
    assert done.status == 1
    assert 'layer "perm": its bytes mean several things' in done.err and "want the prototxt too" in done.err
    assert not out.exists()
    assert command(*words, "--dialect", "bvlc").status == 0
    done = command(*words, "--dialect", "sdd")
    assert done.status == 1 and 'there is no dialect "sdd"; want one of bvlc, ' in done.err
    if way == "upgrade":
        net = net_of(read_weights(out), "bvlc")
        assert ("pooling_param.round_mode", "FLOOR") in said(net)[1]
