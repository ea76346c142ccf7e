"""A `.pt` from elsewhere: what is missing or wrong in it is told in one error, and a plugin's layers load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import caffe2py
from caffe2py.errors import CaffeError
from tests.helpers.absent import each
from tests.helpers.damage import damaged
from tests.helpers.nets import SMALL, graph_of
from tests.helpers.reference import found

Held = dict[str, Any]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pt") / "net.pt"
    caffe2py.convert(graph_of(SMALL, weights=True), path)
    return path


def without(key: str) -> Callable[[Held], None]:
    return lambda held: held.pop(key)


def having(value: Any, *keys: str) -> Callable[[Held], None]:
    def change(held: Held) -> None:
        for key in keys[:-1]:
            held = held[key]
        held[keys[-1]] = value

    return change


WEIGHT = ("state_dict", "conv_1.weight")
NO_FIELDS = "without its prototxt, metadata or state_dict"
NO_TABLE = "no table of shapes"
CHANGES = {
    "no prototxt": (without("prototxt"), NO_FIELDS),
    "no metadata": (without("metadata"), NO_FIELDS),
    "no state": (without("state_dict"), NO_FIELDS),
    "a number for a text": (having(3, "prototxt"), NO_FIELDS),
    "a list for a table": (having([1], "metadata"), NO_FIELDS),
    "a tensor for a state": (having(torch.zeros(3), "state_dict"), NO_FIELDS),
    "another text": (having("hello", "prototxt"), "hello"),
    "another format": (having("caffe2py/9", "format"), 'no "caffe2py/1" file'),
    "no phase": (having(None, "metadata", "phase"), "phase is None; want TRAIN or TEST"),
    "a phase that is none": (having("SOON", "metadata", "phase"), "phase is 'SOON'"),
    "a list for a phase": (having([], "metadata", "phase"), "phase is"),
    "no inputs": (having(None, "metadata", "inputs"), NO_TABLE),
    "a text for inputs": (having("data", "metadata", "inputs"), NO_TABLE),
    "a number for a shape": (having({"data": 3}, "metadata", "inputs"), NO_TABLE),
    "texts in a shape": (having({"data": ["3"]}, "metadata", "inputs"), NO_TABLE),
    "a shape below 0": (having({"data": [1, 3, -9, 7]}, "metadata", "inputs"), NO_TABLE),
    "a shape for no input": (having({"other": [1]}, "metadata", "inputs"), '"other"'),
    "a weight that is missing": (lambda held: held["state_dict"].pop(WEIGHT[1]), f'differ at "{WEIGHT[1]}"'),
    "a weight too many": (having(torch.zeros(1), "state_dict", "more"), 'differ at "more"'),
    "a number for a name": (lambda held: held["state_dict"].update({3: 3}), 'differ at "3"'),
    "a text for a weight": (having("w", *WEIGHT), "no plain tensor"),
    "another shape": (having(torch.zeros(1), *WEIGHT), r"torch.float32 \(1,\).*want torch.float32 \(5, 3, 3, 3\)"),
    "whole numbers": (having(torch.zeros(5, 3, 3, 3, dtype=torch.int64), *WEIGHT), "torch.int64"),
    "complex numbers": (having(torch.zeros(5, 3, 3, 3, dtype=torch.complex64), *WEIGHT), "torch.complex64"),
    "few values": (having(torch.zeros(5, 3, 3, 3).to_sparse(), *WEIGHT), "no plain tensor"),
    "nothing but a shape": (having(torch.zeros(5, 3, 3, 3, device="meta"), *WEIGHT), "no plain tensor|plain torch"),
}


@pytest.mark.parametrize(("change", "said"), CHANGES.values(), ids=CHANGES)
def test_what_is_wrong_is_told(change: Callable[[Held], None], said: str, good: Path, tmp_path: Path) -> None:
    held = torch.load(good, weights_only=True)
    change(held)
    torch.save(held, tmp_path / "bad.pt")
    with pytest.raises(CaffeError, match=said) as caught:
        caffe2py.load_torch(tmp_path / "bad.pt")
    assert "bad.pt" in str(caught.value)


def test_bytes_that_were_changed(good: Path, tmp_path: Path) -> None:
    """A few hundred of many: nothing but a CaffeError, or a module of the same make."""
    before = caffe2py.load_torch(good).state_dict()
    for data in damaged(good.read_bytes(), times=200, whole=3):
        (tmp_path / "bad.pt").write_bytes(data)
        try:
            after = caffe2py.load_torch(tmp_path / "bad.pt").state_dict()
        except CaffeError as error:
            assert "bad.pt" in str(error)
        else:
            assert {k: v.shape for k, v in after.items()} == {k: v.shape for k, v in before.items()}


@each("path", found("hostile/16_*.pt"), "files that were made for it", ids=lambda path: path.stem)
def test_files_that_were_made_for_it(path: Path) -> None:
    with pytest.raises(CaffeError, match=path.name):
        caffe2py.load_torch(path)


def test_a_plugin_is_read_before_the_net(tmp_path: Path) -> None:
    plugin = tmp_path / "twice.py"
    plugin.write_text(
        "from caffe2py.layers.base import Layer, layer\n\n"
        '@layer("TwiceOfMine")\n'
        "class TwiceOfMine(Layer):\n"
        "    def shapes(self, x):\n        return [x]\n\n"
        '    def torch(self, em, x):\n        return f"2 * {x}"\n'
    )
    net = tmp_path / "net.prototxt"
    net.write_text(
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 } } }\n'
        'layer { name: "y" type: "TwiceOfMine" bottom: "x" top: "y" }'
    )
    caffe2py.convert(caffe2py.load(net, plugins=plugin), tmp_path / "net.pt")  # one path is one path
    for plugins in (plugin, [str(plugin)]):
        assert caffe2py.load_torch(tmp_path / "net.pt", plugins=plugins)(torch.ones(2)).tolist() == [2, 2]
    with pytest.raises(CaffeError, match=r"no\.py: no such file"):
        caffe2py.load_torch(tmp_path / "net.pt", plugins="no.py")
