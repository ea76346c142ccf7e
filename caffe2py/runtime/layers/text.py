"""Layers that run by their torch text; their gradient is torch's, of the same text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from caffe2py.backends.torch.run import told
from caffe2py.graph import Node
from caffe2py.layers.base import Shape
from caffe2py.layers.recurrent.recurrent import Recurrent
from caffe2py.runtime.blobs.blob import Blob
from caffe2py.runtime.layers.emitter import Function, function_of
from caffe2py.runtime.layers.operator import Operator
from caffe2py.runtime.layers.stale import formula


@dataclass(frozen=True)
class Tape:
    """What a forward pass keeps for the backward one: the bottoms as they were read, and the tops made of them."""

    bottoms: Sequence[Tensor]
    tops: Sequence[Tensor]


class Text(Operator):
    """A layer that computes what its `torch` view says."""

    def __init__(
        self,
        node: Node,
        bottoms: Sequence[Blob],
        tops: Sequence[Blob],
        blobs: Sequence[Blob],
        parameters: Sequence[Tensor],
        training: bool,
    ) -> None:
        super().__init__(node, bottoms, tops, blobs)
        self.parameters = list(parameters)
        self.training = training
        self.stale = False  # a bottom or top that the backward pass reads is overwritten in between
        self._run: Function
        self._tape: Tape | None = None
        memories = {id(b.data_memory) for b in self.bottoms}
        self._overwrites = [t.data_memory for t in self.tops if id(t.data_memory) in memories]

    def fit(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> None:
        self._run = function_of(self.node.layer, self.node, self.parameters, bottoms, tops, self.training)

    def forward(self, record: bool) -> None:
        bottoms = [b.tensor() for b in self.bottoms]  # before the top of a layer in place gives one another shape
        self.reshape()
        if record:
            if any(memory.held for memory in self._overwrites):
                bottoms = [b.clone() for b in bottoms]  # the old values are about to be written over
            self._tape = self._taped(bottoms)
            results = self._tape.tops
        else:
            self._tape = None
            results = self._computed(bottoms)
        for top, result in zip(self.tops, results, strict=True):
            top.take(_own(result, bottoms, top.data_memory in self._overwrites))

    def _taped(self, bottoms: Sequence[Tensor]) -> Tape:
        leaves = [b.detach().requires_grad_(want) for b, want in zip(bottoms, self.propagate, strict=True)]
        with torch.enable_grad():
            return Tape(leaves, tuple(self._computed(leaves)))

    def _computed(self, bottoms: Sequence[Tensor]) -> Sequence[Tensor]:
        with told(self.node):
            return self._run(*bottoms)

    def backward(self) -> None:
        rule, tape = formula(self.node.layer, self.stale), self._tape
        if tape is None or (self.stale and rule is None):
            self.reshape()
            self._spread(self._taped([b.tensor() for b in self.bottoms]))
        elif rule is None:
            self._spread(tape)
        else:
            first, top = [b.detach() for b in tape.bottoms], tape.tops[0]
            x = [b.tensor().view_as(was) for b, was in zip(self.bottoms, first, strict=True)]
            y, dy = self.tops[0].tensor().view_as(top), self.tops[0].gradient().view_as(top)
            found = rule(self.node.layer, x, y, dy, first)
            for blob, gradient, wanted in zip(self.bottoms, found, self.propagate, strict=True):
                if wanted:
                    blob.diff_memory.take(gradient)

    def _spread(self, tape: Tape) -> None:
        """From the diffs of the tops to those of the bottoms and the learned blobs."""
        into = [(leaf, blob) for leaf, blob in zip(tape.bottoms, self.bottoms, strict=True) if leaf.requires_grad]
        learned = [(p, blob) for p, blob in zip(self.parameters, self.blobs, strict=True) if p.requires_grad]
        tops = zip(tape.tops, self.tops, strict=True)
        outs = [(t, blob.gradient().view_as(t)) for t, blob in tops if t.requires_grad]
        wanted = [x for x, _ in into] + [p for p, _ in learned]
        if not wanted:
            return
        found: Sequence[Tensor | None] = [None] * len(wanted)
        if outs:
            made, diffs = zip(*outs, strict=True)
            found = torch.autograd.grad(made, wanted, diffs, retain_graph=True, allow_unused=True)
        taken = {diff.data_ptr() for _, diff in outs}
        for i, gradient in enumerate(found):
            if gradient is None:
                own = torch.zeros_like(wanted[i])
            else:
                own = gradient.clone() if gradient.data_ptr() in taken else gradient
            taken.add(own.data_ptr())
            if i < len(into):
                into[i][1].diff_memory.take(own)
            else:
                learned[i - len(into)][1].diff_memory.add(own)


def _own(result: Tensor, bottoms: Sequence[Tensor], in_place: bool) -> Tensor:
    """The result in memory of its own, where it is (part of) a bottom."""
    at = result.data_ptr()
    for b in bottoms:
        start = b.data_ptr()
        if start <= at < start + b.nbytes and not (in_place and at == start):
            return result.clone()
    return result


class RecurrentText(Text):
    """An LSTM or RNN that goes on where the last forward pass ended, as Caffe's do without expose_hidden."""

    def fit(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> None:
        layer = self.node.layer
        assert isinstance(layer, Recurrent)
        state = (1, bottoms[0][1], layer.num_output)
        count = len(layer.states)
        exposed = replace(layer, expose_hidden=True)
        run = function_of(
            exposed, self.node, self.parameters, [*bottoms, *[state] * count], [*tops, *[state] * count], self.training
        )
        self.states = [torch.zeros(state, device=b.tensor().device) for b in self.bottoms[:1] for _ in range(count)]

        def go_on(*x: Tensor) -> Sequence[Tensor]:
            y, *states = run(*x, *self.states)
            self.states = [s.detach() for s in states]
            return (y,)

        self._run = go_on
