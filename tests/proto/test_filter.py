"""Include and exclude rules: which layers are in, as net.cpp decides."""

from __future__ import annotations

import time
from typing import Any

import pytest

from caffe2py.errors import CaffeError, NetError
from caffe2py.proto import filter_net, parse_net

# The rules of one layer, the state asked for, and whether the layer is in.
RULES: list[tuple[str, dict[str, Any], bool]] = [
    ("", {}, True),
    ("", {"phase": "TRAIN", "level": 3, "stages": ["a"]}, True),
    ("include { phase: TEST }", {}, True),
    ("include { phase: TEST }", {"phase": "TRAIN"}, False),
    ("include { }", {"phase": "TRAIN"}, True),
    ("exclude { }", {}, False),
    ("exclude { phase: TRAIN }", {}, True),
    ("exclude { phase: TRAIN }", {"phase": "TRAIN"}, False),
    ("include { phase: TRAIN } include { phase: TEST }", {}, True),
    ("include { phase: TRAIN } include { stage: 'a' }", {}, False),
    ("include { phase: TRAIN } include { stage: 'a' }", {"stages": ["a"]}, True),
    ("exclude { phase: TRAIN } exclude { stage: 'a' }", {"stages": ["a"]}, False),
    ("include { min_level: 1 }", {}, False),
    ("include { min_level: 1 }", {"level": 1}, True),
    ("include { min_level: -1 }", {}, True),
    ("include { max_level: 1 }", {"level": 1}, True),
    ("include { max_level: 1 }", {"level": 2}, False),
    ("include { max_level: 0 min_level: 0 }", {}, True),
    ("include { stage: 'a' }", {}, False),
    ("include { stage: 'a' stage: 'b' }", {"stages": ["a"]}, False),
    ("include { stage: 'a' stage: 'b' }", {"stages": ["b", "c", "a"]}, True),
    ("include { not_stage: 'a' }", {}, True),
    ("include { not_stage: 'a' not_stage: 'b' }", {"stages": ["b"]}, False),
    ("include { stage: 'a' not_stage: 'b' }", {"stages": ["a"]}, True),
    ("include { stage: 'a' not_stage: 'b' }", {"stages": ["a", "b"]}, False),
    ("include { phase: TEST stage: 'a' }", {"phase": "TRAIN", "stages": ["a"]}, False),
    ("exclude { phase: TEST stage: 'a' }", {}, True),
]


@pytest.mark.parametrize(("rules", "state", "inside"), RULES, ids=[f"{r or 'no rule'} {s or ''}" for r, s, _ in RULES])
def test_rules(rules: str, state: dict[str, Any], inside: bool) -> None:
    net = filter_net(parse_net(f"layer {{ name: 'a' type: 'X' {rules} }} layer {{ name: 'b' type: 'X' }}"), **state)
    assert [one.message.name for one in net.layers] == (["a", "b"] if inside else ["b"])


# The net's own state, the state asked for, and the state that counts: phase, level, stages.
STATES: list[tuple[str, dict[str, Any], tuple[int, int, list[str]]]] = [
    ("", {"phase": None, "level": None}, (1, 0, [])),
    ("state { phase: TRAIN level: 2 stage: 'a' }", {"phase": None, "level": None}, (0, 2, ["a"])),
    ("state { phase: TRAIN level: 2 stage: 'a' }", {}, (1, 0, ["a"])),
    ("state { level: 2 }", {"phase": "TRAIN", "stages": ["b"]}, (0, 0, ["b"])),
    ("state { stage: 'a' }", {"stages": ["b"], "level": 3}, (1, 3, ["a", "b"])),
]


@pytest.mark.parametrize(("own", "asked", "counts"), STATES, ids=[f"{o or 'none'} {a}" for o, a, _ in STATES])
def test_state(own: str, asked: dict[str, Any], counts: tuple[int, int, list[str]]) -> None:
    net = filter_net(parse_net(f"{own} layer {{ name: 'a' type: 'X' }}"), **asked)
    state = net.message.state
    assert (state.phase, state.level, list(state.stage)) == counts
    assert net.layers[0].message.phase == counts[0]


def test_own_phase_of_a_layer_stays_and_the_net_is_not_changed() -> None:
    net = parse_net("layer { name: 'a' type: 'X' phase: TRAIN } layer { name: 'b' type: 'X' }")
    assert [one.message.phase for one in filter_net(net).layers] == [0, 1]
    assert not net.layers[1].message.HasField("phase")
    assert not net.message.HasField("state")


def test_refused() -> None:
    net = parse_net("\nlayer { name: 'a' type: 'X' include { } exclude { } }", "f")
    with pytest.raises(NetError, match=r'f:2:1: layer "a" \(X\) has include and exclude rules'):
        filter_net(net)
    with pytest.raises(CaffeError, match='no phase "test"; want TRAIN or TEST'):
        filter_net(net, phase="test")


def test_many_layers_take_their_time_once() -> None:
    """Fifty thousand are chosen from in a moment; compared with each other they would take minutes."""
    net = parse_net('layer { name: "a" type: "ReLU" bottom: "x" top: "x" }\n' * 50_000)
    started = time.process_time()
    assert len(filter_net(net).layers) == 50_000
    assert time.process_time() - started < 20
