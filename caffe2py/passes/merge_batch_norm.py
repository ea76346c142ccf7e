"""One batch normalisation with scale and shift, of Caffe's BatchNorm and Scale, or of what a fork has for both."""

from __future__ import annotations

from dataclasses import replace

from caffe2py.graph import Graph, Node, Weight
from caffe2py.layers.activation.scale import Scale
from caffe2py.layers.normalization.affine_batch_norm import Normalizing


def merge_batch_norm(graph: Graph) -> Graph:
    """Turn each BatchNorm that uses its stored statistics, with the Scale behind it, into one AffineBatchNorm.

    Given::

        x -> BatchNorm (mean, variance, scale_factor) -> y -> Scale (gamma[, beta]) -> z

    Result::

        x -> AffineBatchNorm (mean, variance, scale_factor, gamma[, beta]) -> z

    1. The Scale must be the only reader of y, y must be no output, and the Scale must go over axis 1 alone.
    2. A BatchNorm without such a Scale becomes an AffineBatchNorm without gamma; a fork's that scales by itself one
       with its own.
    3. In phase TRAIN nothing is merged: torch's module would use the statistics of the batch where Caffe is told to use
       the stored ones.
    4. BatchNorm layers that use the statistics of the batch are left alone, as are those whose weights are shared,
       those of more axes than torch has a module for, those whose eps torch's module does not take, and those with
       a phase of their own.
    """
    if graph.phase != "TEST":
        return graph
    nodes: list[Node] = []
    gone: set[str] = set()
    dropped = set()
    for node in graph.nodes:
        if node.key in gone and isinstance(node.layer, Scale):
            continue
        stored = node.layer.affine(graph.phase) if isinstance(node.layer, Normalizing) else None
        if stored is not None and _fits(graph, node):
            node = replace(node, layer=stored, weights=tuple(map(_flat, node.weights)))
            scale = None if "weight" in stored.order else _scale_behind(graph, node)
            if scale is not None:
                gone.add(scale.key)
                dropped.add(node.tops[0])
                learned = ("weight", "bias")[: len(scale.weights)]
                node = replace(
                    scale,
                    layer=replace(stored, order=(*stored.order, *learned)),
                    bottoms=node.bottoms,
                    weights=node.weights + scale.weights,
                    name=node.name,
                    key=node.key,
                    stopped=node.stopped,
                )
        nodes.append(node)
    shapes = {v: s for v, s in graph.shapes.items() if v not in dropped}
    return replace(graph, nodes=tuple(nodes), shapes=shapes)


def _flat(weight: Weight) -> Weight:
    """A blob of (1, C, 1, 1) as one of (C)."""
    if len(weight.shape) == 1:
        return weight
    data = None if weight.data is None else weight.data.reshape(-1)
    return replace(weight, shape=(weight.count,), data=data)


def _fits(graph: Graph, node: Node) -> bool:
    shape = graph.shapes[node.bottoms[0]]
    return shape is not None and 2 <= len(shape) <= 5 and _owns(node) and not node.own_phase


def _owns(node: Node) -> bool:
    return all(w.owner[0] == node.key for w in node.weights) and not any(node.loss_weights)


def _scale_behind(graph: Graph, node: Node) -> Node | None:
    """The Scale that can be merged into this BatchNorm, None where there is none."""
    y = node.tops[0]
    readers = graph.readers[y]
    shape = graph.shapes[node.bottoms[0]]
    if len(readers) != 1 or y in graph.results or shape is None:
        return None
    scale = readers[0]
    if not isinstance(scale.layer, Scale) or len(scale.bottoms) != 1 or not _owns(scale) or any(scale.stopped):
        return None
    return scale if scale.weights[0].shape == (shape[1],) and scale.layer.axis in (1, 1 - len(shape)) else None
