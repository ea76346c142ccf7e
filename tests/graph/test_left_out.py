"""Who would make a blob that no layer makes: a layer that rules leave out, and what lets it in."""

from __future__ import annotations

import pytest

from caffe2py.errors import NetError
from tests.helpers.nets import graph_of

TEXT = """name: "n"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "maker" type: "ReLU" bottom: "data" top: "x" RULES }
layer { name: "reader" type: "ReLU" bottom: "x" top: "y" }
"""
RULES = {
    "a phase": ("include { phase: TRAIN }", "--phase TRAIN"),
    "a phase left out": ("exclude { phase: TEST }", "--phase TRAIN"),
    "a stage": ('include { stage: "deploy" }', "--stage deploy"),
    "two stages": ('include { stage: "a" stage: "b" }', "--stage a --stage b"),
    "the nearest of two": ('include { stage: "a" stage: "b" } include { min_level: 2 }', "--level 2"),
    "a level": ("include { max_level: -1 }", "--level -1"),
    "a level left out": ("exclude { min_level: 0 }", "--level -1"),
    "a stage that must not be": ('exclude { not_stage: "fast" }', "--stage fast"),
    "a phase and a stage": ('include { phase: TRAIN stage: "a" }', "--stage a --phase TRAIN"),
    "a stage that is": ('include { not_stage: "here" }', "no --stage here"),
    "a stage that leaves out": ('exclude { stage: "here" }', "no --stage here"),
}


@pytest.mark.parametrize("rules, said", RULES.values(), ids=RULES)
def test_what_lets_it_in(rules: str, said: str) -> None:
    with pytest.raises(NetError) as caught:
        graph_of(TEXT.replace("RULES", rules), stages=["here"])
    wanted = f'"x" is made by no layer before it; "maker" (ReLU, net.prototxt:3:1) makes it, which {said} lets in'
    assert wanted in str(caught.value)


def test_a_layer_that_comes_later_is_no_maker() -> None:
    with pytest.raises(NetError, match=r'"x" is made by no layer before it; did you mean "xx"\?$'):
        graph_of(TEXT.replace("RULES", "").replace('top: "x"', 'top: "xx"'))


def test_an_input_without_a_size() -> None:
    text = 'input: "data" layer { name: "r" type: "ReLU" bottom: "data" top: "y" }'
    with pytest.raises(NetError, match=r"made by no layer before it; the input of that name has no size"):
        graph_of(text)
    beside = 'layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 1 } } }'
    graph = graph_of(text.replace("layer", f"{beside} layer", 1))
    assert list(graph.inputs) == ["data"] and 'input "data" has no input_dim' in "".join(graph.notes)
