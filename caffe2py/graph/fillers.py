"""Weights for a net that comes without: what each layer's fillers say, from a seed."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np

from caffe2py.errors import CaffeError, WeightError
from caffe2py.graph.model import Graph, Node, Weight
from caffe2py.layers.base import Misfit, Params
from caffe2py.layers.filler import FillerParameter


def fill_weights(graph: Graph, seed: int) -> Graph:
    """The graph with every blob that has no data filled as its layer's filler says; blobs with data stay.

    Each blob has numbers of its own, from the seed, its layer's name and its index: they stay the same where
    other layers come and go. They are not Caffe's numbers, only their distribution. A shared blob is filled
    once, by its owner. Raises `WeightError` with the layer's place for a filler that cannot fill its blob.
    """
    if seed < 0:
        raise CaffeError(f"fill is {seed}; want a seed from 0 on")
    filled: dict[tuple[str, int], np.ndarray] = {}

    def fill(node: Node, weight: Weight) -> Weight:
        if weight.data is not None:
            return weight
        name, index = weight.owner
        if weight.owner not in filled:
            rng = np.random.default_rng([seed, zlib.crc32(name.encode("utf-8", "surrogateescape")), index])
            try:
                filled[weight.owner] = filler_of(node, weight.name).array(weight.shape, rng)
            except Misfit as misfit:
                raise node.error(WeightError, f"{weight.name}: {misfit}") from None
        return replace(weight, data=filled[weight.owner].reshape(weight.shape))

    nodes = (replace(node, weights=tuple(fill(node, w) for w in node.weights)) for node in graph.nodes)
    return replace(graph, nodes=tuple(nodes))


def filler_of(node: Node, blob: str) -> FillerParameter:
    """The filler of a learned blob: the one its layer's prototxt gives, else Caffe's default for the layer type."""
    place = node.layer.fillers.get(blob)
    if place is None:
        return FillerParameter()
    message = Params(node.message).get(place.path)
    return FillerParameter(value=place.otherwise) if message is None else FillerParameter.read(message)
