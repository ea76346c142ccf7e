"""Layers of a user's own: the page that tells how, block by block, and what happens where it goes wrong."""

from __future__ import annotations

import importlib.metadata
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import caffe2py
from caffe2py.backends.torch.run import runner
from caffe2py.backends.torch.source import STYLES
from caffe2py.errors import FileError, NetError, UnsupportedError
from caffe2py.layers.base import plugins, registry
from tests.helpers.absent import each
from tests.helpers.handbook import blocks
from tests.helpers.layer_cases import Case, cases, relative
from tests.helpers.layer_runs import BACKWARD, FORWARD, forward
from tests.helpers.nets import command, graph_of

BLOCKS = blocks("custom-layers.md")
FILES = {block.file: block.text for block in BLOCKS if block.file}
COMMANDS = [line for block in BLOCKS if block.language == "sh" and not block.said for line in block.commands]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The page's files in an empty folder, with the registry as it is before any plugin."""
    registry.layer_types()
    monkeypatch.setattr(registry, "_TYPES", dict(registry._TYPES))
    monkeypatch.setattr(plugins, "_loaded", set())
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    yield tmp_path


def test_every_block_of_the_page_is_one_that_is_run_here() -> None:
    assert set(FILES) == {"net.prototxt", "mirror.py", "channel_gain.py", "use.py", "test_mirror.py", "shift.py"}
    assert {block.language for block in BLOCKS if not block.file} == {"sh", "toml"}


def test_before_the_plugin_the_layer_is_named_as_the_page_says(folder: Path) -> None:
    assert "mirror" in command("show", "net.prototxt").out
    (block,) = [block for block in BLOCKS if block.said]
    done = command(*block.text.split()[1:])
    assert done.status == 1 and done.err == block.said


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_of_the_page(folder: Path, line: str) -> None:
    done = command(*line.split()[1:])
    assert done.status == 0, done.err
    if "net.py" in line:
        assert "caffe2py" not in re.sub('""".*?"""', "", (folder / "net.py").read_text(), count=1, flags=re.DOTALL)
    if "net.onnx" in line:
        onnx.checker.check_model("net.onnx", full_check=True)


def test_python_of_the_page(folder: Path) -> None:
    runpy.run_path("use.py")


def test_table_of_the_page(folder: Path) -> None:
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mirror.py"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "4 passed" in done.stdout, done.stdout


@each("case", cases("forks/Flip"), "recorded layers of forks", ids=lambda case: case.id)
def test_the_page_s_layer_is_the_flip_of_a_fork(folder: Path, case: Case) -> None:
    plugins.load_plugin("mirror.py")
    case = replace(case, prototxt=case.prototxt.replace("Flip", "Mirror").replace("flip_param", "mirror_param"))
    made = runner(case.graph(), "exact")
    inputs, blobs, objective = forward(case, made, requires_grad=True)
    assert max(relative(blobs[name], top) for name, top in case.tops.items() if name in blobs) <= FORWARD
    objective.backward()
    for name, diff in case.in_diff.items():
        gradient = inputs[name].grad
        assert gradient is not None and relative(gradient.numpy(), diff) <= BACKWARD


GAIN = """name: "gained"
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 4 dim: 5 } } }
layer { name: "gained" type: "ReLU" bottom: "x" top: "gained" relu_param { negative_slope: 1 } }
layer { name: "g" type: "ChannelGain" bottom: "gained" top: "y" channel_gain_param { floor: FLOOR } }
"""


def test_a_function_of_a_plugin_is_copied_and_gives_way_to_a_blob_of_its_name(folder: Path) -> None:
    plugins.load_plugin("channel_gain.py")
    graph = graph_of(GAIN.replace("FLOOR", "-1"), weights=True)  # a whole number, where a float is meant
    x = np.random.RandomState(3).randn(2, 3, 4, 5).astype(np.float32)
    gain = graph.node("g").weights[0].data
    assert gain is not None
    want = np.maximum(x * gain[:, None, None], -1)
    np.testing.assert_array_equal(caffe2py.run(graph, {"x": x})["y"], want)
    assert "def gained_2(" in caffe2py.to_source(graph, "exact")


BAD_FIELDS = {
    "text": ('"low"', "want a number"),
    "truth": ("true", "want a number"),
}


@pytest.mark.parametrize(("value", "wish"), BAD_FIELDS.values(), ids=BAD_FIELDS)
def test_a_field_of_another_kind_is_refused(folder: Path, value: str, wish: str) -> None:
    plugins.load_plugin("channel_gain.py")
    with pytest.raises(
        NetError, match=rf'net.prototxt:4:1: layer "g" \(ChannelGain\): channel_gain_param.floor .*{wish}'
    ):
        graph_of(GAIN.replace("FLOOR", value))


SHIFT = """name: "shifted"
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "s" type: "Python" bottom: "x" top: "y"
        python_param { module: "shifts" layer: "ShiftLayer" param_str: "{'by': 1.5}" } }
"""


def test_a_python_layer_is_opaque_until_its_class_is_registered(folder: Path) -> None:
    (folder / "shifts.py").write_text('raise SystemExit("a module that a prototxt names was imported")')
    graph = graph_of(SHIFT)
    assert "shifts.ShiftLayer" in str(graph)
    with pytest.raises(UnsupportedError, match=r'net.prototxt:3:1: "s" \(Python shifts.ShiftLayer\)'):
        caffe2py.to_torch(graph)
    plugins.load_plugin("shift.py")
    module = caffe2py.to_torch(graph_of(SHIFT))
    assert module(torch.zeros(2, 3)).unique().tolist() == [1.5]


@pytest.mark.parametrize("use", ["by the others", "by safetensors", "by show"])
def test_what_does_not_need_an_unknown_layer_works(folder: Path, use: str) -> None:
    text = (folder / "net.prototxt").read_text()
    text += 'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 2 } }\n'
    text += 'layer { name: "odd" type: "Odd" bottom: "relu" top: "odd" }\n'
    (folder / "net.prototxt").write_text(text)
    graph = graph_of(text, weights=True)
    caffe2py.save(graph, "new.prototxt", "new.caffemodel")
    if use == "by safetensors":
        assert command("convert", "new.prototxt", "new.caffemodel", "-o", "net.safetensors").status == 0
    elif use == "by show":
        done = command("show", "new.prototxt", "new.caffemodel")
        assert done.status == 0 and "Odd" in done.out
    else:
        again = caffe2py.load("new.prototxt", "new.caffemodel")
        assert [n.type for n in again.nodes] == ["Input", "Mirror", "ReLU", "InnerProduct", "Odd"]
        assert np.array_equal(again.node("ip").weights[0].data, graph.node("ip").weights[0].data)


PLUGINS = {
    "missing": (None, "no such file"),
    "broken": ("1 / 0", "ZeroDivisionError"),
    "of no syntax": ("def :", "SyntaxError"),
    "type of ours": ("from caffe2py.layers.base import *\n@layer('ReLU')\nclass R(Layer): pass", "registered twice"),
}


@pytest.mark.parametrize(("text", "fact"), PLUGINS.values(), ids=PLUGINS)
def test_a_bad_plugin(folder: Path, text: str | None, fact: str) -> None:
    if text is not None:
        (folder / "bad.py").write_text(text)
    with pytest.raises(FileError, match=f"bad.py: .*{fact}"):
        caffe2py.load("net.prototxt", plugins=["bad.py"])


def test_a_function_that_cannot_be_copied(folder: Path) -> None:
    text = FILES["channel_gain.py"].replace("clamp(min=floor)", "clamp(min=math.floor(floor))")
    (folder / "imports.py").write_text(f"import math\n{text}")
    plugins.load_plugin("imports.py")
    with pytest.raises(UnsupportedError, match=r'"g" \(ChannelGain\): its function gained uses math'):
        caffe2py.to_source(graph_of(GAIN.replace("FLOOR", "0"), weights=True))


UNSAYABLE = """
from pathlib import Path
from caffe2py.layers.base import Layer, layer

def folder(x):
    return Path(x)

@layer("SaysNothing")
class SaysNothing(Layer):
    def shapes(self, x):
        return [x]

@layer("SaysTwo", tops=3)
class SaysTwo(Layer):
    def shapes(self, x):
        return [x] * 3

    def torch(self, em, x):
        return [x, f"{x} + 1"]

@layer("CallsAStranger")
class CallsAStranger(Layer):
    def shapes(self, x):
        return [x]

    def torch(self, em, x):
        return em.call(folder, x)
"""
UNSAID = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 dim: 3 dim: 3 } } }
layer { name: "n" type: "SaysNothing" bottom: "x" top: "n" }
layer { name: "r" type: "ReLU" bottom: "n" top: "r" }
layer { name: "t" type: "SaysTwo" bottom: "r" top: "a" top: "b" top: "c" }
layer { name: "s" type: "CallsAStranger" bottom: "b" top: "s" }
"""
FAULTS = """cannot be said in torch:
  "n" (SaysNothing): SaysNothing has no torch view
  "t" (SaysTwo): says 2 expressions for 3 tops
  "s" (CallsAStranger): its function folder uses Path; want torch, F, nn and Tensor alone"""


@pytest.mark.parametrize("style", STYLES)
def test_all_that_cannot_be_said_is_listed(folder: Path, style: str) -> None:
    (folder / "unsayable.py").write_text(UNSAYABLE)
    plugins.load_plugin("unsayable.py")
    with pytest.raises(UnsupportedError) as error:
        caffe2py.to_source(graph_of(UNSAID), style)
    assert str(error.value) == FAULTS


def test_layers_of_an_installed_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = [block.text for block in BLOCKS if block.language == "toml"]
    ((group, named),) = tomllib.loads(text)["project"]["entry-points"].items()
    entries = importlib.metadata.EntryPoints(importlib.metadata.EntryPoint(*item, group) for item in named.items())
    monkeypatch.setattr(importlib.metadata, "entry_points", entries.select)
    (folder / "my_layers").mkdir()
    (folder / "mirror.py").rename(folder / "my_layers" / "mirror.py")
    monkeypatch.syspath_prepend(folder)
    registry._discover_installed.cache_clear()
    try:
        assert caffe2py.load("net.prototxt").node("mirror").layer.summary() == ""
    finally:
        registry._discover_installed.cache_clear()
        for name in ("my_layers", "my_layers.mirror"):
            sys.modules.pop(name, None)
