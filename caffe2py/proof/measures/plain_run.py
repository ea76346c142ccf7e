"""A run of a net in which each long sum loses what a plain float32 loop loses: what drift its successors inherit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from caffe2py.graph import Graph, Node, Value
from caffe2py.proof.measures.plain_sums import lost, sums


class Stepping(Protocol):
    """A float32 run of a net, layer by layer, in which a feed replaces values before they are read."""

    @property
    def graph(self) -> Graph: ...

    def steps(
        self, inputs: Mapping[str, np.ndarray], feed: PlainRun | None = None
    ) -> Iterator[tuple[Node, list[np.ndarray | None]]]: ...


@dataclass
class PlainRun:
    """The run, and between its steps the values that later layers read of it.

    What a loop loses is added to what the model makes: where the model is wrong, it stays as wrong as it is. With a
    `seed` it is added or taken off, as the seed says for each value: another runtime may lose it the other way.
    """

    model: Stepping
    seed: int | None = None
    readers: Counter[Value] = field(default_factory=Counter)  # layers with long sums that are still to come
    read: dict[Value, np.ndarray] = field(default_factory=dict)  # what they will read
    changed: dict[Value, np.ndarray] = field(default_factory=dict)  # what came out of them
    last: list[np.ndarray] = field(default_factory=list)  # what the last of them read

    def __post_init__(self) -> None:
        graph = self.model.graph
        for node in graph.nodes:
            self.readers.update(set(node.bottoms) if sums(node, graph.phase) else ())

    def steps(self, inputs: Mapping[str, np.ndarray]) -> Iterator[tuple[Node, list[np.ndarray | None]]]:
        """As the model's, with the values as they would stand."""
        for node, tops in self.model.steps(inputs, self):
            made = self._adjusted(node, tops) if sums(node, self.model.graph.phase) else tops
            self.read.update(
                {v: t for v, t in zip(node.tops, made, strict=True) if t is not None and v in self.readers}
            )
            yield node, made

    def get(self, value: Value) -> np.ndarray | None:
        """The value of a long sum, for the layers behind it."""
        return self.changed.get(value)

    def _adjusted(self, node: Node, tops: list[np.ndarray | None]) -> list[np.ndarray | None]:
        self.last = [self.read[v] for v in node.bottoms]
        for v in set(node.bottoms):
            self.readers[v] -= 1
            if not self.readers[v]:
                del self.read[v]
        made = [
            t if t is None or t.shape != less.shape else (t + less * self._ways(less)).astype(np.float32)
            for t, less in zip(tops, lost(node, self.last), strict=True)
        ]
        self.changed.update({v: t for v, t in zip(node.tops, made, strict=True) if t is not None})
        return made

    def _ways(self, less: np.ndarray) -> np.ndarray | float:
        return 1.0 if self.seed is None else self.random.choice((-1.0, 1.0), less.shape)

    @cached_property
    def random(self) -> np.random.RandomState:
        return np.random.RandomState(self.seed)
