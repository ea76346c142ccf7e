"""Weights for a net that comes without: what each layer's fillers say, from a seed."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

import numpy as np

from caffe2py import arguments
from caffe2py.errors import WeightError
from caffe2py.graph.model import Graph
from caffe2py.graph.node import Node, Weight
from caffe2py.layers.base import Misfit, Params
from caffe2py.layers.base.filler import FillerParameter
from caffe2py.proto.text.prototxt import Unknown


def fill_weights(graph: Graph, seed: int) -> Graph:
    """The graph with every blob that has no data filled as its layer's filler says; blobs with data stay.

    Each blob has numbers of its own, from the seed, its layer's name and its index: they stay the same where
    other layers come and go. They are not Caffe's numbers, only their distribution. A shared blob is filled
    once, by its owner. Raises `WeightError` with the layer's place for a filler that cannot fill its blob.
    """
    seed = arguments.whole("seed", seed, 0)
    filled: dict[tuple[str, int], np.ndarray] = {}
    specs = graph.net.layers if graph.net else ()
    unknown: dict[Any, tuple[Unknown, ...]] = {(s.place, s.message.name): s.unknown for s in specs}

    def fill(node: Node, weight: Weight) -> Weight:
        if weight.data is not None:
            return weight
        name, index = weight.owner
        if weight.owner not in filled:
            rng = np.random.default_rng([seed, zlib.crc32(name.encode("utf-8", "surrogateescape")), index])
            place = node.layer.fillers.get(weight.name)
            try:
                params = Params(node.message, unknown.get((node.place, node.name), ()))
                filler = FillerParameter.at(params, place) if place else FillerParameter()
                filled[weight.owner] = filler.array(weight.shape, rng)
            except Misfit as misfit:
                raise node.error(WeightError, f"{weight.name}: {misfit}") from None
        return replace(weight, data=filled[weight.owner].reshape(weight.shape))

    nodes = (replace(node, weights=tuple(fill(node, w) for w in node.weights)) for node in graph.nodes)
    return replace(graph, nodes=tuple(nodes))
