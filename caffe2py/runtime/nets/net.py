"""A net that runs: all its blobs at hand, layer by layer, forward and backward."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import torch
from torch import nn

from caffe2py.errors import NetError
from caffe2py.graph.gradient_flow import overwrites
from caffe2py.proto.text.prototxt import NetText
from caffe2py.runtime.blobs.blob import Blob
from caffe2py.runtime.layers.operator import Operator
from caffe2py.runtime.layers.text import Text
from caffe2py.runtime.mode import device
from caffe2py.runtime.nets.making import Parts, make
from caffe2py.runtime.nets.quick import Quick
from caffe2py.runtime.nets.weights import Specs, copy_weights, share_weights, write_weights

Hook = Callable[[int], object]


class RunningNet:
    """A net as Caffe runs it. Raises `CaffeError` with place and fact where Caffe would abort.

    `phase` None, `level` None: what the net's own state says.
    """

    def __init__(
        self, net: NetText, phase: str | None = "TEST", level: int | None = 0, stages: Sequence[str] = ()
    ) -> None:
        parts = make(net, phase, level, stages)
        self.graph = parts.graph
        self.operators: tuple[Operator, ...] = parts.operators
        self.named_blobs: dict[str, Blob] = parts.blobs
        self.specs = Specs.of(self.graph, self.operators)
        self.before_forwards: list[Hook] = []
        self.after_forwards: list[Hook] = []
        self.before_backwards: list[Hook] = []
        self.after_backwards: list[Hook] = []
        self._runs_backward = parts.flow.layers
        self._needs_backward = any(self._runs_backward)
        self._prepare(parts)
        self._quick = Quick(self.operators)

    def _prepare(self, parts: Parts) -> None:
        """Tell each layer what its backward pass is for, and set the weights that gradients start from."""
        self._parameters = parts.parameters
        forced = bool(self.graph.net and self.graph.net.message.force_backward)
        for op, bottoms in zip(self.operators, parts.flow.bottoms, strict=True):
            op.propagate = list(bottoms)
            specs = list(op.node.message.param)
            op.learns = [forced or i >= len(specs) or specs[i].lr_mult != 0 for i in range(len(op.blobs))]
            for top, weight in zip(op.tops, op.node.loss_weights, strict=False):
                if weight:
                    top.diff_memory.set(weight)
        for op in self.operators:
            for blob, learns in zip(op.blobs, op.learns, strict=True):
                parameter = parts.parameters.get(id(blob.data_memory))
                if parameter is not None and not learns:
                    parameter.requires_grad_(False)
        stale = {id(found.reader) for found in overwrites(self.graph)}
        for op in self.operators:
            if isinstance(op, Text):
                op.stale = id(op.node) in stale

    @property
    def phase(self) -> str:
        return self.graph.phase

    @property
    def parameters(self) -> Sequence[nn.Parameter]:
        """What torch's side of the layers computes with: the memory of the learned blobs."""
        return list(self._parameters.values())

    def run_forward(self, start: int = 0, end: int | None = None, record: bool = True) -> float:
        """Run the layers from `start` to `end`, both included; the sum of the losses among them.

        `record`: whether a backward pass may follow.
        """
        last = self._check(start, len(self.operators) - 1 if end is None else end)
        record = record and self._needs_backward
        self._settle()
        whole = start == 0 and last == len(self.operators) - 1
        with torch.no_grad():
            if whole and not record and not self.before_forwards and not self.after_forwards:
                return self._quick.forward()
            loss = 0.0
            for i in range(start, last + 1):
                for hook in self.before_forwards:
                    hook(i)
                op = self.operators[i]
                op.forward(record and self._runs_backward[i])
                loss += op.loss()
                for hook in self.after_forwards:
                    hook(i)
        return loss

    def run_backward(self, start: int | None = None, end: int = 0) -> None:
        """Run the layers backward, from `start` down to `end`, both included."""
        first = self._check(len(self.operators) - 1 if start is None else start, end)
        self._settle()
        for i in range(len(self.operators) - 1 if start is None else start, first - 1, -1):
            for hook in self.before_backwards:
                hook(i)
            if self._runs_backward[i]:
                self.operators[i].backward()
            for hook in self.after_backwards:
                hook(i)

    def _check(self, first: int, second: int) -> int:
        for index in (first, second):
            if not 0 <= index < len(self.operators):
                raise NetError(f"there is no layer {index}; the net has {len(self.operators)}")
        return second

    def _settle(self) -> None:
        """Have the parameters where the layers compute."""
        if device().type != "cpu" or any(p.device != device() for p in self._parameters.values()):
            for op in self.operators:
                for blob in op.blobs:
                    parameter = self._parameters.get(id(blob.data_memory))
                    if parameter is not None:
                        parameter.data = blob.data_memory.tensor(tuple(parameter.shape))

    def scores(self) -> list[tuple[str, float, float]]:
        """Each value of each output: the blob's name, the value, and what the blob weighs in the loss."""
        weights = {v.blob: w for node in self.graph.nodes for v, w in zip(node.tops, node.loss_weights, strict=False)}
        return [
            (name, float(value), weights.get(name, 0.0))
            for name in self.graph.outputs
            for value in self.named_blobs[name].data.ravel()
        ]

    def fit(self) -> None:
        """Give every blob the shape that follows from those of the inputs."""
        for op in self.operators:
            op.reshape()

    def clear_diffs(self) -> None:
        """Set the diffs of all learned blobs to 0."""
        for spec in self.specs.owned:
            spec.blob.diff_memory.clear()

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Take over the blobs of the layers that a caffemodel (binary or HDF5) has by the same name."""
        copy_weights(self.operators, path)

    def share_weights(self, other: RunningNet) -> None:
        """Have the learned blobs of another net's layers of the same names, in one memory."""
        share_weights(self.operators, other.operators, self._parameters, other._parameters)

    def write(self, path: str | os.PathLike[str], hdf5: bool = False, diff: bool = False) -> None:
        """Write the net and its learned blobs as a caffemodel."""
        write_weights(path, self.graph, self.operators, hdf5, diff)
