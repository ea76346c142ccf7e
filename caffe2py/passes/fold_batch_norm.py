"""Fold batch normalisation into the convolution or inner product before it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from caffe2py.graph import Graph, Node, Value, Weight
from caffe2py.layers.common.inner_product import InnerProduct
from caffe2py.layers.normalization.affine_batch_norm import AffineBatchNorm
from caffe2py.layers.vision.convolution import Convolution


def fold_batch_norm(graph: Graph) -> Graph:
    """Turn each AffineBatchNorm behind a Convolution or InnerProduct into new weights of that layer.

    Given::

        x -> Convolution (weight[, bias]) -> y -> AffineBatchNorm (mean, variance, ..., gamma, beta) -> z

    Result::

        x -> Convolution (weight * s, (bias - mean) * s + beta) -> z        s = gamma / sqrt(variance + eps)

    1. The AffineBatchNorm must be the only reader of y, and y must be no output.
    2. Layers with several bottoms, with shared weights or with a ReLU of their own are left alone, as are channels on
       another axis than 1.

    Computed in float64 and rounded once.
    """
    users = Counter(w.owner for node in graph.nodes for w in node.weights)
    folded: dict[Value, Node] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        before = graph.makers.get(node.bottoms[0]) if node.bottoms else None
        if before is not None and _fits(graph, before, node, users):
            folded[before.tops[0]] = _folded(before, node)
        else:
            nodes.append(node)
    nodes = [folded.get(n.tops[0], n) if n.tops else n for n in nodes]
    return replace(graph, nodes=tuple(nodes), shapes={v: s for v, s in graph.shapes.items() if v not in folded})


def _fits(graph: Graph, before: Node, norm: Node, users: Counter[tuple[str, int]]) -> bool:
    if not isinstance(norm.layer, AffineBatchNorm) or not isinstance(before.layer, (Convolution, InnerProduct)):
        return False
    y, shape = before.tops[0], graph.shapes[before.bottoms[0]]
    if len(before.bottoms) != 1 or shape is None or before.layer.axis not in (1, 1 - len(shape)) or before.layer.relu:
        return False
    alone = all(users[w.owner] == 1 and w.data is not None for w in (*before.weights, *norm.weights))
    return alone and len(graph.readers[y]) == 1 and y not in graph.results and not any(before.loss_weights)


def _folded(before: Node, norm: Node) -> Node:
    assert isinstance(norm.layer, AffineBatchNorm)
    old = [w.data for w in before.weights if w.data is not None]
    numbers = norm.layer.numbers([w.data.astype(np.float64) for w in norm.weights if w.data is not None])
    scale = (1.0 if numbers["weight"] is None else numbers["weight"]) / np.sqrt(numbers["variance"] + norm.layer.eps)
    shift = (old[1] if len(old) > 1 else 0.0) - numbers["mean"]
    bias = shift * scale + (0.0 if numbers["bias"] is None else numbers["bias"])
    last = isinstance(before.layer, InnerProduct) and before.layer.transpose
    weight = old[0] * (scale if last else scale.reshape(-1, *[1] * (old[0].ndim - 1)))
    weights = tuple(
        Weight(name, array.shape, array.astype(np.float32), (before.key, i))
        for i, (name, array) in enumerate([("weight", weight), ("bias", bias)])
    )
    return replace(before, layer=replace(before.layer, bias_term=True), tops=norm.tops, weights=weights)  # type: ignore[type-var]
