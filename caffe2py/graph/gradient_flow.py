"""Which layers a backward pass runs through, and which bottoms it reaches, as Caffe decides it (Net::Init, net.cpp)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from caffe2py.graph.memory import places, shares_memory
from caffe2py.graph.model import Graph
from caffe2py.graph.node import Node, Value

# The bottoms that Caffe's own code gives no gradient, even where force_backward asks for all of them.
UNFORCED: Mapping[str, int | None] = {
    "ContrastiveLoss": 2,
    "EuclideanLoss": None,
    "LSTM": 1,
    "LSTMUnit": 2,
    "RNN": 1,
    "SmoothL1Loss": None,
}


@dataclass(frozen=True)
class Flow:
    """For each layer: does it run backward, and to which of its bottoms."""

    layers: tuple[bool, ...]
    bottoms: tuple[tuple[bool, ...], ...]


def gradient_flow(graph: Graph) -> Flow:
    """Down from what weighs in the loss, as far as there is something to learn below, or all with force_backward.

    The graph is the one with Caffe's Splits.
    """
    layers, bottoms = _wanted(graph)
    loss: set[str] = set()
    skipped: set[str] = set()
    for i in reversed(range(len(graph.nodes))):
        node = graph.nodes[i]
        losses = {v.blob for v, w in zip(node.tops, node.loss_weights, strict=False) if w}
        contributes = bool(losses) or any(v.blob in loss for v in node.tops)
        if layers[i] and all(v.blob in skipped for v in node.tops):
            layers[i] = False
            bottoms[i] = [False] * len(node.bottoms)
        layers[i] = layers[i] and contributes
        for j, v in enumerate(node.bottoms):
            if contributes:
                loss.add(v.blob)
            else:
                bottoms[i][j] = False
            if not bottoms[i][j]:
                skipped.add(v.blob)
    if graph.net is not None and graph.net.message.force_backward:
        for i, node in enumerate(graph.nodes):
            layers[i] = True
            bottoms[i] = [b or _may_force(node, j) for j, b in enumerate(bottoms[i])]
    return Flow(tuple(layers), tuple(map(tuple, bottoms)))


@dataclass(frozen=True)
class Overwrite:
    """A layer whose backward pass reads a blob that another, or itself, has overwritten by then."""

    reader: Node
    blob: str
    writer: Node

    def __str__(self) -> str:
        by = "itself" if self.writer is self.reader else f'"{self.writer.name}" ({self.writer.type})'
        return (
            f'layer "{self.reader.name}" ({self.reader.type}) reads blob "{self.blob}", which {by} overwrites in place'
        )


def overwrites(graph: Graph) -> list[Overwrite]:
    """Where Caffe's own gradient is not the function's: see `Layer.read_back`."""
    place = places(graph.nodes)
    writes: dict[Value, list[int]] = {}
    for i, node in enumerate(graph.nodes):
        for v in node.tops:
            if v.version > 1 and not shares_memory(node):
                writes.setdefault(place[v], []).append(i)
    found = []
    for i, node in enumerate(graph.nodes):
        in_place = any(v.version > 1 for v in node.tops)
        read = node.layer.read_back(in_place)
        seen = [(v, i) for v in node.bottoms if "x" in read] + [(v, i + 1) for v in node.tops if "y" in read]
        for v, first in seen:
            late = [j for j in writes.get(place[v], ()) if j >= first and not _harmless(node, graph.nodes[j], graph)]
            if late:
                found.append(Overwrite(node, v.blob, graph.nodes[late[0]]))
                break
    return found


def _harmless(reader: Node, writer: Node, graph: Graph) -> bool:
    """Does the writer leave alone what the reader wants to know? A ReLU wants the sign, and no other number at 0."""
    if writer.type == "Dropout":
        return graph.phase == "TEST" or reader.type == "ReLU"
    return writer.type == "ReLU" and reader.type in {"ReLU", "Sigmoid", "Exp", "Softmax"} and writer is not reader


def _wanted(graph: Graph) -> tuple[list[bool], list[list[bool]]]:
    """Up from the inputs: where something is learned, by this layer or below it."""
    blobs: dict[str, bool] = {}
    layers, bottoms = [], []
    for node in graph.nodes:
        below = [blobs.get(v.blob, False) for v in node.bottoms]
        said = list(node.message.propagate_down) if node.message is not None else []
        bottoms.append(said if said else below)
        specs = list(node.message.param) if node.message is not None else []
        learns = any(specs[i].lr_mult != 0 if i < len(specs) else True for i in range(len(node.weights)))
        layers.append(any(below) or learns)
        for v in node.tops:
            blobs[v.blob] = layers[-1] or (blobs.get(v.blob, False) and v.version > 1)
    return layers, bottoms


def _may_force(node: Node, bottom: int) -> bool:
    """Layer::AllowForceBackward: not to labels, and not to the marks where a sequence begins."""
    if node.type in UNFORCED:
        return bottom != UNFORCED[node.type]
    return not (node.layer.is_loss and bottom == 1)
