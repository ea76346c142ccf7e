"""A readable `.py` that was edited, as something to verify: its values, found in what it calls.

Its classes hide the layers. So the file is run with every call of torch noted, and so is the file as `convert` writes
it; where the two lists of calls agree, a call of the file makes the value that it makes there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode, resolve_name

from caffe2py.backends.torch.device import CPU
from caffe2py.backends.torch.run import Runner, input_tensors, runner
from caffe2py.errors import FileError
from caffe2py.graph import Graph, Node, Value
from caffe2py.proof.models.model import Arrays, Feed, TorchModel

Call = tuple[str, torch.Tensor]  # what was called, and what it gave


@dataclass(frozen=True)
class EditedPy:
    """The module of an edited file beside the one that the net is written as."""

    name: str
    source: Graph
    edited: torch.nn.Module
    device: torch.device = CPU
    feeds: bool = False

    @property
    def graph(self) -> Graph:
        return self.pristine.program.graph

    @cached_property
    def pristine(self) -> Runner:
        return runner(self.source, "readable", device=self.device)

    @cached_property
    def yardstick(self) -> TorchModel:
        """The net itself: the file's own values would take a fault in it for rounding."""
        return TorchModel(self.name, self.source, "readable", device=self.device)

    def steps(self, inputs: Mapping[str, np.ndarray], feed: Feed | None = None) -> Iterator[tuple[Node, Arrays]]:
        tensors = input_tensors(self.source, inputs, torch.float32, self.device)
        given = [tensors[blob] for blob in self.source.inputs]
        ours = _calls(self.pristine.module, given)
        try:
            theirs = _calls(self.edited, given)
        except Exception as error:  # whatever an edited file raises
            raise FileError(f"does not run: {type(error).__name__}: {error}", self.name) from error
        places = self._places(tensors, ours)
        found = _agreeing(ours, theirs)
        for node in self.graph.nodes:
            if node.layer.is_input:
                yield node, [np.asarray(inputs[v.blob]) for v in node.tops]
            else:
                yield node, [self._value(found.get(places.get(v, -1)), theirs) for v in node.tops]

    def _places(self, tensors: Mapping[str, torch.Tensor], calls: Sequence[Call]) -> dict[Value, int]:
        """Which of our calls makes each value: the first that gives the same numbers, and none that did before."""
        by_shape: dict[Any, list[int]] = defaultdict(list)
        for i, (_, tensor) in enumerate(calls):
            by_shape[tensor.shape].append(i)
        places = {}
        with torch.no_grad():
            for node, tops in self.pristine.steps(tensors):
                for v, top in zip(node.tops, tops, strict=True):
                    like = by_shape[top.shape]
                    same = (i for i in like if torch.equal(calls[i][1].nan_to_num(), top.nan_to_num()))
                    place = None if node.layer.is_input else next(same, None)
                    if place is not None:
                        like.remove(place)
                        places[v] = place
        return places

    @staticmethod
    def _value(i: int | None, calls: Sequence[Call]) -> np.ndarray | None:
        return None if i is None else calls[i][1].detach().cpu().numpy()


class _Noting(TorchFunctionMode):
    """Notes each call of torch that gives tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else [made]:
            if isinstance(tensor, torch.Tensor) and tensor.is_floating_point():
                self.calls.append((resolve_name(func) or str(func), tensor))
        return made


def _calls(module: torch.nn.Module, given: Sequence[torch.Tensor]) -> list[Call]:
    with torch.no_grad(), _Noting() as noting:
        module(*given)
    return noting.calls


def _agreeing(ours: Sequence[Call], theirs: Sequence[Call]) -> dict[int, int]:
    """Their call for each of ours, where both call the same in the same order; also one that was put for another."""
    found: dict[int, int] = {}
    matcher = SequenceMatcher(None, [name for name, _ in ours], [name for name, _ in theirs], autojunk=False)
    for tag, a, after_a, b, after_b in matcher.get_opcodes():
        if tag == "equal" or (tag == "replace" and after_a - a == after_b - b):
            found.update(zip(range(a, after_a), range(b, after_b), strict=True))
    return found
