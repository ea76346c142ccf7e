"""What Caffe logs while it makes a net (net.cpp, layer_factory.hpp)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from caffe2py.graph import Graph, Node
from caffe2py.graph.gradient_flow import Flow
from caffe2py.proto.filter import kept_layers, state_of
from caffe2py.proto.text.prototxt import NetText
from caffe2py.proto.text.writer import format_net
from caffe2py.runtime.blobs.blob import Blob
from caffe2py.runtime.glog import log, number

INSIDE = {"SoftmaxWithLoss", "InfogainLoss"}  # they make a Softmax layer of their own, by the factory


def tell_net(net: NetText, phase: str | None, level: int | None, stages: Sequence[str]) -> None:
    """Which rules leave layers out, and the net that is left."""
    state = state_of(net, phase, level, stages)
    for layer in net.layers:
        for rule in layer.message.include or layer.message.exclude:
            for line, fact in _misses(state, rule):
                log(f"net.cpp:{line}", f"The NetState {fact} specified by a rule in layer {layer.message.name}")
    message = type(net.message)()
    message.CopyFrom(net.message)
    message.name = net.name
    message.state.CopyFrom(state)
    text = format_net(replace(net, message=message, layers=kept_layers(net, state)))
    log("net.cpp:53", f"Initializing net from parameters: \n{text.rstrip()}")


def _misses(state: Any, rule: Any) -> Iterator[tuple[int, str]]:
    """The first part of a rule that a state does not meet."""
    if rule.HasField("phase") and rule.phase != state.phase:
        yield 296, f"phase ({state.phase}) differed from the phase ({rule.phase})"
    elif rule.HasField("min_level") and state.level < rule.min_level:
        yield 306, f"level ({state.level}) is above the min_level ({rule.min_level})"
    elif rule.HasField("max_level") and state.level > rule.max_level:
        yield 315, f"level ({state.level}) is above the max_level ({rule.max_level})"
    elif missing := [s for s in rule.stage if s not in state.stage]:
        yield 332, f"did not contain stage '{missing[0]}'"
    elif unwanted := [s for s in rule.not_stage if s in state.stage]:
        yield 347, f"contained a not_stage '{unwanted[0]}'"


def tell_layer(node: Node) -> None:
    """A layer is made: what it reads and makes."""
    log("layer_factory.hpp:77", f"Creating layer {node.name}")
    log("net.cpp:86", f"Creating Layer {node.name}")
    for v in node.bottoms:
        log("net.cpp:408", f"{node.name} <- {v.blob}")
    for v in node.tops:
        if v.version > 1:
            log("net.cpp:369", f"{node.name} -> {v.blob} (in-place)")
        else:
            log("net.cpp:382", f"{node.name} -> {v.blob}")


def tell_setup(node: Node, tops: Sequence[Blob], before: int) -> int:
    """A layer is set up; returns the bytes of all tops so far, of which there were `before`."""
    if node.type in INSIDE or (node.type == "Scale" and node.layer.bias_term):  # type: ignore[attr-defined]
        log("layer_factory.hpp:77", f"Creating layer {node.name}")
    log("net.cpp:124", f"Setting up {node.name}")
    for i, top in enumerate(tops):
        log("net.cpp:131", f"Top shape: {shape_text(top.shape)}")
        if node.loss_weights and node.loss_weights[i]:
            log("net.cpp:134", f"    with loss weight {number(node.loss_weights[i])}")
    total = before + sum(4 * top.count for top in tops)
    log("net.cpp:139", f"Memory required for data: {total}")
    return total


def shape_text(shape: Sequence[int]) -> str:
    """A shape as Caffe prints it: `8 4 6 6 (1152)`."""
    return "".join(f"{d} " for d in shape) + f"({math.prod(shape)})"


def tell_end(graph: Graph, flow: Flow) -> None:
    """Which layers run backward, and what comes out."""
    for node, runs in reversed(list(zip(graph.nodes, flow.layers, strict=True))):
        said = "needs" if runs else "does not need"
        log(f"net.cpp:{200 if runs else 202}", f"{node.name} {said} backward computation.")
    for blob in graph.outputs:
        log("net.cpp:244", f"This network produces output {blob}")
    log("net.cpp:257", "Network initialization done.")
