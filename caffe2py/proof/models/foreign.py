"""Somebody else's translation of a net: its values have names of their own, and are found by what they hold.

Inputs and outputs are matched by their order. Any other recorded value is looked for among all that the model makes:
one of as many numbers, in the same axes or in others, that is nearest to what Caffe recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import permutations
from typing import Protocol

import numpy as np
import torch

from caffe2py.backends.torch.device import CPU
from caffe2py.errors import CaffeError
from caffe2py.graph import Graph, Node, Value
from caffe2py.layers.base import Shape, count, text
from caffe2py.proof.dumps.binding import Binding
from caffe2py.proof.dumps.sample import Top
from caffe2py.proof.measures.measure import error, scale_of, shape_of
from caffe2py.proof.models.model import Arrays, Feed, TorchModel
from caffe2py.proto.notes import NumberNote

NEAR = 1e-2  # of the largest value: what is further apart is another value, not the same one with an error
AXES = 5  # values of more are compared in the order that they have


class Runs(Protocol):
    """A model that nobody here has written."""

    @property
    def inputs(self) -> Sequence[Sequence[object]]:
        """The shapes of its inputs; a size that is free is no number."""

    @property
    def outputs(self) -> Sequence[str]:
        """The names of its outputs."""

    def values(self, inputs: Sequence[np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
        """Every value that it makes, in the order of its own layers."""


@dataclass(frozen=True)
class Place:
    """Where a value of the net is in the model: its name there, and how the axes longer than 1 are turned."""

    name: str
    turn: tuple[int, ...]
    error: float = 0.0

    def taken(self, array: np.ndarray, shape: Shape) -> np.ndarray:
        return array.squeeze().transpose(self.turn).reshape(shape)


@dataclass(frozen=True)
class ForeignModel:
    """A model of other names, with the values of the net that were found in it."""

    name: str
    source: Graph
    runs: Runs
    device: torch.device = CPU
    found: Mapping[Value, Place] = field(default_factory=dict)
    feeds: bool = False
    notes: tuple[str, ...] = ()

    @property
    def graph(self) -> Graph:
        return self.source

    @cached_property
    def yardstick(self) -> TorchModel:
        return TorchModel(self.name, self.source, device=self.device)

    def steps(self, inputs: Mapping[str, np.ndarray], feed: Feed | None = None) -> Iterator[tuple[Node, Arrays]]:
        wanted = {place.name for place in self.found.values()}
        made = {name: value for name, value in self.runs.values(self.fed(inputs)) if name in wanted}
        for node in self.source.nodes:
            if node.layer.is_input:
                yield node, [np.asarray(inputs[v.blob]) for v in node.tops]
                continue
            yield node, [self._top(made, v, self.source.shapes[v]) for v in node.tops]

    def _top(self, made: Mapping[str, np.ndarray], v: Value, shape: Shape | None) -> np.ndarray | None:
        place = self.found.get(v)
        if place is None or place.name not in made:
            return None
        array = made[place.name]
        if shape is None or array.size != count(shape):
            return array
        return place.taken(array, shape)

    def fed(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The net's inputs in the model's order and axes. `CaffeError` where they are not as many, or do not fit."""
        given = [np.asarray(inputs[blob], np.float32) for blob in self.source.inputs]
        if len(given) != len(self.runs.inputs):
            fact = f'has {len(self.runs.inputs)} inputs; net "{self.source.name}" has {len(given)}'
            raise CaffeError(fact, self.name)
        return [_turned(x, shape, self.name) for x, shape in zip(given, self.runs.inputs, strict=True)]

    def matched(self, recorded: Binding) -> ForeignModel:
        """The model with the places of all recorded values that are in it, and of its outputs."""
        wanted = {v: top for v in recorded.values if not self._is_input(v) and (top := recorded.read(v)) is not None}
        best: dict[Value, Place] = {}
        by_size: dict[int, list[Value]] = {}
        for v, top in wanted.items():
            by_size.setdefault(count(shape_of(top)), []).append(v)
        ends: dict[str, np.ndarray] = {}
        for name, array in self.runs.values(self.fed(recorded.inputs)):
            if name in self.runs.outputs:
                ends[name] = array
            for v in by_size.get(array.size, ()):
                place = _nearest(name, array, wanted[v])
                if place is not None and (v not in best or place.error < best[v].error):
                    best[v] = place
        content = dict(best)
        for v, name in zip(self.source.results, self.runs.outputs, strict=False):
            if v not in best and name in ends:
                best[v] = Place(name, tuple(range(ends[name].squeeze().ndim)))
        return replace(self, found=best, notes=self._told(wanted, content))

    def _is_input(self, v: Value) -> bool:
        return v.blob in self.source.inputs and v.version == 1

    def _told(self, wanted: Mapping[Value, Top], found: Mapping[Value, Place]) -> tuple[str, ...]:
        """Which layers were found, and the first after which nothing was."""
        layers = [node for node in self.source.nodes if any(v in wanted for v in node.tops)]
        there = {node.key for node in layers if any(v in found for v in node.tops)}
        lost = [f'"{node.name}"' for node in layers if node.key not in there]
        notes = [f"{self.name}: {len(there)} of {len(layers)} layers were found in it by what they make"]
        if lost:
            notes.append(f"{self.name}: not found: {', '.join(lost[:6])}{' and more' if len(lost) > 6 else ''}")
        if there and layers[-1].key not in there:
            at = max(i for i, node in enumerate(layers) if node.key in there)
            last, behind = layers[at : at + 2]
            notes.append(
                f'{self.name}: nothing matches after "{last.name}" ({last.type}); the first that does not is '
                f'"{behind.name}" ({behind.type})'
            )
        return tuple(map(NumberNote, notes))


def _turns(axes: int) -> Iterator[tuple[int, ...]]:
    """The orders of so many axes that are tried."""
    return permutations(range(axes)) if axes <= AXES else iter([tuple(range(axes))])


def _turned(x: np.ndarray, shape: Sequence[object], name: str) -> np.ndarray:
    """An input in the axes that a model wants; `CaffeError` where no order of its axes fits."""
    if len(shape) != x.ndim:
        raise CaffeError(f"wants an input of {len(shape)} axes; the net's has shape {text(x.shape)}", name)
    for turn in _turns(x.ndim):
        if all(not isinstance(d, int) or d == x.shape[i] for i, d in zip(turn, shape, strict=True)):
            return np.ascontiguousarray(x.transpose(turn))
    raise CaffeError(f"wants an input of shape {text(tuple(shape))}; the net's is {text(x.shape)}", name)  # type: ignore[arg-type]


def _nearest(name: str, array: np.ndarray, reference: Top) -> Place | None:
    """The order of axes in which an array is nearest to what was recorded; None where none is near."""
    shape, scale = shape_of(reference), scale_of(reference)
    if not scale or array.dtype.kind != "f":
        return None
    have, want = array.squeeze(), tuple(d for d in shape if d != 1)
    best: Place | None = None
    for turn in _turns(have.ndim):
        turned = have.transpose(turn)
        if turned.shape != want and (turn != tuple(sorted(turn)) or have.size != count(shape)):
            continue
        apart = error(turned.reshape(shape), reference, scale)
        if apart <= NEAR and (best is None or apart < best.error):
            best = Place(name, turn, apart)
    return best
