"""A net as Python text, with what is needed to fill it with weights and to run it layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from caffe2py.graph import Graph, Node
from caffe2py.layers.base import Convert


@dataclass(frozen=True)
class Binding:
    """What one entry of the state dict holds: blob `index` of a layer, or what `convert` makes of all its blobs."""

    node: Node
    index: int | None = None
    convert: Convert | None = None

    def value(self) -> np.ndarray:
        """The entry's array: a view of the weights file where no conversion is needed."""
        blobs = self.node.blobs()
        return self._made(blobs)

    def blank(self) -> np.ndarray:
        """An array of the entry's shape and type, whatever its values: for a net without weights."""
        return self._made([np.broadcast_to(np.float32(1), w.shape) for w in self.node.weights])

    def _made(self, blobs: list[np.ndarray]) -> np.ndarray:
        return blobs[self.index] if self.index is not None else self.convert(blobs)  # type: ignore[misc]


@dataclass(frozen=True)
class Step:
    """One layer in the text: the lines that run it, and the variables it reads and makes."""

    node: Node
    lines: tuple[str, ...]
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]


@dataclass(frozen=True)
class Program:
    """A net as Python text, with what is needed to fill it with weights and to run it layer by layer."""

    graph: Graph  # after the style's passes
    style: str
    class_name: str
    source: str
    inputs: Mapping[str, str]  # blob -> variable
    outputs: tuple[str, ...]  # variables, in the order of graph.outputs
    steps: tuple[Step, ...]
    bindings: Mapping[str, Binding]  # state dict key -> where its array comes from
    tied: bool  # some parameters are one and the same object

    def layers(self) -> dict[str, str]:
        """The Caffe layer that each entry of the state dict is of."""
        return {key: binding.node.name for key, binding in self.bindings.items()}

    def state(self) -> dict[str, np.ndarray]:
        """The state dict as numpy arrays."""
        return {key: binding.value() for key, binding in self.bindings.items()}
