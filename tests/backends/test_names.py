"""Names of every script and kind in emitted text: what was written loads, and computes the same."""

from __future__ import annotations

import builtins
import gc
import keyword
import linecache
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import caffe2py
from caffe2py.backends.names import FILE_NAMES, Namer, identifier
from caffe2py.backends.torch.run import compile_class
from caffe2py.backends.torch.source import program
from caffe2py.backends.torch.writing.helpers import functions
from caffe2py.backends.torch.writing.text import MODULE_NAMES, class_name
from caffe2py.proto.text.writer import quoted
from tests.helpers.emitted import load_py
from tests.helpers.nets import graph_of

# Names that mean something to Python, to torch, or to the file that they are written into.
WORDS = sorted(
    {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), *dir(torch.nn.Module), *dir(torch.nn), *dir(torch)}
    | {*FILE_NAMES, *functions(), *"self x y z u net weights s s_bias s_weight s_2 bias weight file data".split()}
    | {"__init__", "__class__", "_parameters", "_buffers", "_modules", "__a", "_", "__", "..", "", "0", "3x3", "a/b"}
)
LETTERS = st.characters(exclude_categories=["Cs"])  # those that text in UTF-8 can have
NAMES = st.one_of(
    st.sampled_from(WORDS),
    st.text(LETTERS, min_size=1, max_size=8),
    st.text("s_bia2.", min_size=1, max_size=8),  # meets what is made of other names
)
SIX = st.lists(NAMES.filter(bool), min_size=6, max_size=6)  # of layers: two may have one name, where one has no weights

NET = """name: {net}
layer {{ name: {0} type: "Input" top: {x} input_param {{ shape {{ dim: 2 dim: 3 dim: 4 dim: 5 }} }} }}
layer {{ name: {1} type: "Scale" bottom: {x} top: {a} scale_param {{ bias_term: true }} }}
layer {{ name: {2} type: "BatchNorm" bottom: {a} top: {b} batch_norm_param {{ use_global_stats: true }} }}
layer {{ name: {3} type: "Power" bottom: {b} top: {b} power_param {{ scale: 2 }} }}
layer {{ name: {4} type: "MVN" bottom: {b} top: {c} }}
layer {{ name: {5} type: "InnerProduct" bottom: {c} top: {d} inner_product_param {{ num_output: 2 }} }}
"""


@given(SIX, NAMES, st.lists(NAMES.filter(bool), min_size=5, max_size=5, unique=True))
@example(["x", "s", "s_bias", "r", "m", "s_weight"], "path", list("xabcd"))
@example(["卷积", "分类", "..", "_", "中", "文"], "网络", ["数据", "..", "_", "__", "…"])
@example(["a", "a", "b", "a", "a", "c"], "load", ["self", "torch", "F", "Tensor", "nn"])
@example(["\x00", "\n", '"""', "\\", "#", "'"], '"""\n\\', ["\x1b[31m", "\u202e", '"""', "\\", "\n"])
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_what_is_written_loads(layers: list[str], net: str, blobs: list[str]) -> None:
    learned = {layers[1], layers[2], layers[5]}
    layers = [name if len(learned) == 3 or i not in (1, 2, 5) else f"{name}{i}" for i, name in enumerate(layers)]
    blob = dict(zip("xabcd", map(quoted, blobs), strict=True))
    graph = caffe2py.fill_weights(graph_of(NET.format(*map(quoted, layers), net=quoted(net), **blob)), 3)
    x = np.random.RandomState(1).uniform(-1, 1, (2, 3, 4, 5)).astype(np.float32)
    want = caffe2py.run(graph, {blobs[0]: x})[blobs[-1]]
    with tempfile.TemporaryDirectory() as folder:
        made: dict[str, Any] = {"the module": caffe2py.to_torch(graph)}
        for style in ("readable", "flat", "exact"):
            caffe2py.convert(graph, Path(folder, f"{style}.py"), style=style)
            made[style] = load_py(Path(folder, f"{style}.py"))
        caffe2py.convert(graph, Path(folder, "net.pt"))
        made[".pt"] = caffe2py.load_torch(Path(folder, "net.pt"))
    for module in made.values():
        # The flat style folds Scale and BatchNorm in another order than Caffe runs them.
        np.testing.assert_allclose(module(torch.from_numpy(x)).detach().numpy(), want, rtol=1e-5, atol=1e-5)


@given(st.lists(NAMES, max_size=30))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_names_are_identifiers_and_differ(names: list[str]) -> None:
    namer = Namer()
    found = [namer(name) for name in names]
    assert len(set(found)) == len(found)
    assert all(word.isidentifier() and word.isascii() and not keyword.iskeyword(word) for word in found)
    assert not any(word.startswith("__") for word in found)  # a class would hide it


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("conv1/7x7_s2", "conv1_7x7_s2"),
        ("3x3", "_3x3"),
        ("卷积", "JuanJi"),
        ("Größe", "Grosse"),
        ("свёртка1", "svertka1"),
        ("..", "unnamed"),
        ("__", "unnamed"),
    ],
)
def test_spelling(name: str, word: str) -> None:
    assert identifier(name) == word


@pytest.mark.parametrize(
    ("net", "name"),
    [
        ("SE-ResNet-50", "SEResNet50"),
        ("tiny SENet", "TinySENet"),
        ("path", "PathNet"),
        ("WithParameters", "WithParametersNet"),
        ("网络", "WangLuo"),
        ("3d", "Net3d"),
        ("", "Net"),
    ],
)
def test_class_names(net: str, name: str) -> None:
    assert class_name(net) == name


def test_many_names_of_one_spelling_take_no_long() -> None:
    namer = Namer()
    assert [namer("..") for _ in range(50_000)][-1] == "unnamed_50000"


def test_no_name_hides_what_a_module_has() -> None:
    """`MODULE_NAMES` is written down, so that emitting loads no torch; torch's own list grows."""
    public = {name for name in dir(torch.nn.Module()) if not name.startswith("_")}
    assert public <= set(MODULE_NAMES)


def test_a_class_gives_its_lines_back() -> None:
    made = program(graph_of('name: "n" layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 } } }'))
    before = {name for name in linecache.cache if name.startswith("<caffe2py")}
    found = compile_class(made)
    assert {name for name in linecache.cache if name.startswith("<caffe2py")} > before
    del found
    gc.collect()
    assert {name for name in linecache.cache if name.startswith("<caffe2py")} <= before


def test_a_long_name_stays_in_its_comment() -> None:
    name = f"{'a/' * 50}(conv), last"
    text = f"""layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 1 dim: 2 }} }} }}
    layer {{ name: "{name}" type: "BatchNorm" bottom: "x" top: "{name}" }}"""
    assert caffe2py.run(graph_of(text, weights=True), {"x": np.ones((1, 2), np.float32)}).keys() == {name}
