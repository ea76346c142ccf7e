"""What a table of the forks' layers holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from caffe2py.graph import Graph
from caffe2py.graph.build import build
from caffe2py.proto.net import parse_net
from caffe2py.proto.schema import NetParameter
from caffe2py.proto.weights.caffemodel import parse_weights
from tests.helpers.tables.layers import Array, net

SEEDS = count(1)


@dataclass(frozen=True)
class Formula:
    """One layer: its type, parameters, bottoms and blobs, and what it makes of them."""

    type: str
    params: str
    bottoms: Sequence[Array]
    tops: Sequence[Array]
    blobs: Sequence[Array] = ()
    onnx: bool = True  # can it be said in ONNX?
    bar: float = 1e-9  # how far float64 may be off, relatively

    @property
    def id(self) -> str:
        return f"{self.type}-{len(self.blobs)}-{self.params}"

    def graph(self) -> Graph:
        """The net, with the blobs as a caffemodel has them."""
        text = net(self.type, self.params, [x.shape for x in self.bottoms], len(self.tops))
        message = NetParameter()
        layer = message.layer.add(name="y", type=self.type)
        for blob in self.blobs:
            stored = layer.blobs.add(data=blob.ravel().tolist())
            stored.shape.dim.extend(blob.shape)
        weights = parse_weights(message.SerializeToString(), "y.caffemodel") if self.blobs else None
        return build(parse_net(text, "net.prototxt"), weights)


def some(*shape: int, low: float = -2.0, high: float = 2.0) -> Array:
    """Numbers that differ from each other, and that float32 holds."""
    return np.random.RandomState(next(SEEDS)).uniform(low, high, shape).astype(np.float32).astype(np.float64)


def by_channel(blob: Array, x: Array) -> Array:
    """A value for each channel, spread over x."""
    return blob.reshape(1, -1, *[1] * (x.ndim - 2))
