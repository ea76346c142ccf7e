"""A net as Python text, with what is needed to fill it with weights and to run it layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from caffe2py.graph import Graph, Node
from caffe2py.layers.base import Convert


@dataclass(frozen=True)
class Binding:
    """What one entry of the state dict holds: blob `source` of a layer, or what `source` makes of all its blobs."""

    node: Node
    source: int | Convert

    @property
    def owner(self) -> tuple[str, int] | None:
        """The blob that it holds as it is, by the layer that owns it."""
        return None if callable(self.source) else self.node.weights[self.source].owner

    def value(self) -> np.ndarray:
        """The entry's array: a view of the weights file where no conversion is needed."""
        return self._made(self.node.blobs())

    def blank(self) -> np.ndarray:
        """An array of the entry's shape and type, whatever its values: for a net without weights."""
        return self._made([np.broadcast_to(np.float32(1), w.shape) for w in self.node.weights])

    def _made(self, blobs: list[np.ndarray]) -> np.ndarray:
        return self.source(blobs) if callable(self.source) else blobs[self.source]


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
