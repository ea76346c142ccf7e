"""Something that runs a net and shows its values, and the first of its kinds: the emitted text as a module."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import torch

from caffe2py.backends.torch.device import CPU, full_float32
from caffe2py.backends.torch.run import LeanRunner, Runner, input_tensors, lean_runner, runner
from caffe2py.graph import Graph, Node, Value

Arrays = list[np.ndarray | None]


class Feed(Protocol):
    """Values that replace ours before a layer reads them."""

    def get(self, value: Value) -> np.ndarray | None: ...


class Model(Protocol):
    """Something that runs a net and shows its values."""

    @property
    def name(self) -> str:
        """What it is, for people."""

    @property
    def source(self) -> Graph:
        """The net as Caffe runs it, layer by layer."""

    @property
    def graph(self) -> Graph:
        """What `steps` runs: the net, after the passes of the model's style."""

    @property
    def yardstick(self) -> TorchModel:
        """What tells how much rounding is worth, by its runs in float32 and float64."""

    @property
    def feeds(self) -> bool:
        """Can `steps` be fed with a reference's values?"""

    def steps(self, inputs: Mapping[str, np.ndarray], feed: Feed | None = None) -> Iterator[tuple[Node, Arrays]]:
        """Each layer with its tops as they stand right after it; None for a value that the model does not show."""


@dataclass(frozen=True)
class TorchModel:
    """The emitted text, in one style, with the graph's weights or those of a file."""

    name: str
    source: Graph
    style: str = "exact"
    state: Mapping[str, torch.Tensor] | None = None
    made: Runner | None = None  # a module of its own, instead of what the graph says
    feeds: bool = True
    device: torch.device = CPU

    @property
    def graph(self) -> Graph:
        return self.single.program.graph

    @property
    def yardstick(self) -> TorchModel:
        return self

    @cached_property
    def single(self) -> Runner:
        return self.runner(torch.float32)

    @cached_property
    def double(self) -> Runner:
        if isinstance(self.single, LeanRunner):  # whose module is empty between layers
            return replace(self.single, dtype=torch.float64)
        return self.runner(torch.float64)

    def runner(self, dtype: torch.dtype) -> Runner:
        if self.made is not None:
            return replace(self.made, module=copy.deepcopy(self.made.module).to(self.device, dtype), device=self.device)
        if self.state is None:
            return lean_runner(self.source, self.style, dtype, self.device)
        return runner(self.source, self.style, self.state, dtype, self.device)

    def steps(
        self, inputs: Mapping[str, np.ndarray], feed: Feed | None = None, *, exact: bool = False
    ) -> Iterator[tuple[Node, Arrays]]:
        made, dtype = (self.double, torch.float64) if exact else (self.single, torch.float32)
        tensors = input_tensors(self.source, inputs, dtype, self.device)
        running = made.steps(tensors, None if feed is None else _Tensors(feed, dtype, self.device))
        for _ in made.program.steps:
            with torch.no_grad(), full_float32():
                node, tops = next(running)
            yield node, [top.cpu().numpy() for top in tops]


class _Tensors(dict[Value, torch.Tensor]):
    """A feed as the mapping that `Runner.steps` takes: values are read when they are asked for, and not kept."""

    def __init__(self, feed: Feed, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__()
        self._feed, self._dtype, self._device = feed, dtype, device

    def get(self, value: Value, default: torch.Tensor | None = None) -> torch.Tensor | None:  # type: ignore[override]
        array = self._feed.get(value)
        return default if array is None else torch.from_numpy(np.array(array, order="C")).to(self._device, self._dtype)
