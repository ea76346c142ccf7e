"""From a prototxt to the layers of a running net."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from caffe2py.graph import Graph, Node, Value
from caffe2py.graph.build import build
from caffe2py.graph.fillers import fill_weights
from caffe2py.graph.gradient_flow import Flow, gradient_flow
from caffe2py.graph.memory import shares_memory
from caffe2py.graph.splits import insert_splits
from caffe2py.graph.unread import CORRECT, check_all_read
from caffe2py.layers.base import Layer, find_layer
from caffe2py.layers.recurrent.recurrent import Recurrent
from caffe2py.proto.filter import PHASES, filter_net
from caffe2py.proto.text.prototxt import NetText
from caffe2py.runtime.blobs.blob import Blob
from caffe2py.runtime.blobs.memory import Fixed
from caffe2py.runtime.data.feed import Feed, Feeding
from caffe2py.runtime.data.types import FEEDS, SINKS
from caffe2py.runtime.layers.operator import Given, Operator, Shared
from caffe2py.runtime.layers.python import Hosted, Python
from caffe2py.runtime.layers.text import RecurrentText, Text
from caffe2py.runtime.mode import rng
from caffe2py.runtime.nets.telling import tell_end, tell_layer, tell_net, tell_setup


@dataclass(frozen=True)
class Parts:
    """What a net is made of."""

    graph: Graph
    flow: Flow
    operators: tuple[Operator, ...]
    blobs: dict[str, Blob]
    parameters: dict[int, nn.Parameter]  # by the identity of the blob that holds it


def make(net: NetText, phase: str | None, level: int | None, stages: Sequence[str]) -> Parts:
    """The layers that a state lets in, with Caffe's Splits, their learned blobs filled as the fillers say."""
    tell_net(net, phase, level, stages)
    net = filter_net(net, phase, level, stages)
    graph = build(insert_splits(net), phase=PHASES[net.message.state.phase], find=_find, own_memory=True)
    check_all_read(graph.nodes, CORRECT)
    graph = fill_weights(graph, int(rng().integers(2**62)))
    maker = _Maker(graph)
    operators = []
    size = 0
    for node in graph.nodes:
        tell_layer(node)
        operators.append(maker.operator(node))
        size = tell_setup(node, operators[-1].tops, size)
    flow = gradient_flow(graph)
    tell_end(graph, flow)
    return Parts(graph, flow, tuple(operators), maker.blobs, maker.parameters)


def _find(type_: str) -> type[Layer] | None:
    return Hosted if type_ == "Python" else FEEDS.get(type_) or find_layer(type_)


class _Maker:
    """The net as far as it is made."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.blobs: dict[str, Blob] = {}
        self.parameters: dict[int, nn.Parameter] = {}
        self._owners: dict[tuple[str, int], Blob] = {}

    def operator(self, node: Node) -> Operator:
        bottoms = [self.blobs[v.blob] for v in node.bottoms]
        tops = [self._top(node, i, v) for i, v in enumerate(node.tops)]
        blobs = [self._learned(node, i) for i in range(len(node.weights))]
        parts = (node, bottoms, tops, blobs)
        if isinstance(node.layer, Hosted):
            return Python(*parts)
        if isinstance(node.layer, Feed):
            return Feeding(*parts)
        if node.type in SINKS:
            return SINKS[node.type](*parts)
        if node.type in {"Input", "Parameter"}:
            return Given(*parts)
        if shares_memory(node):
            return Shared(*parts)
        text = RecurrentText if isinstance(node.layer, Recurrent) and not node.layer.expose_hidden else Text
        return text(*parts, [self._parameter(node, i) for i in range(len(blobs))], node.message.phase == 0)

    def _top(self, node: Node, index: int, value: Value) -> Blob:
        shape = self.graph.shapes[value] or ()
        if value.blob not in self.blobs or value.version == 1:
            made = node.layer.top_blobs[index] if isinstance(node.layer, Hosted) else Blob(shape)
            self.blobs[value.blob] = made
        elif shape:
            self.blobs[value.blob].reshape(*shape)
        return self.blobs[value.blob]

    def _learned(self, node: Node, index: int) -> Blob:
        weight = node.weights[index]
        hosted = isinstance(node.layer, Hosted)
        blob: Blob = node.layer.user.blobs[index] if hosted else Blob(weight.shape)  # type: ignore[attr-defined]
        if weight.owner != (node.key, index):
            owner = self._owners[weight.owner]
            blob.share_data(owner)
            blob.share_diff(owner)
        elif not hosted:
            assert weight.data is not None
            parameter = nn.Parameter(torch.from_numpy(np.array(weight.data, np.float32, order="C")), weight.learned)
            blob.data_memory = Fixed(parameter.data)
            self.parameters[id(blob.data_memory)] = parameter
        self._owners[node.key, index] = blob
        return blob

    def _parameter(self, node: Node, index: int) -> nn.Parameter:
        return self.parameters[id(self._owners[node.weights[index].owner].data_memory)]
