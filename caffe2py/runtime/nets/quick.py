"""A whole forward pass without a backward one: the same blobs at the end, in fewer steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F

from caffe2py.layers.activation.relu import ReLU
from caffe2py.layers.activation.scale import Scale
from caffe2py.layers.normalization.batch_norm import BatchNorm
from caffe2py.proto.filter import PHASES
from caffe2py.runtime.blobs.memory import Memory
from caffe2py.runtime.layers.operator import Operator
from caffe2py.runtime.layers.text import Text

Step = Callable[[], None]


class Quick:
    """Runs of layers that overwrite each other's blobs, as single steps.

    Nobody sees what a layer makes of a blob that the next one overwrites, so BatchNorm with stored statistics and the
    Scale behind it are one call of torch, and a ReLU in place writes where its bottom is.
    """

    def __init__(self, operators: Sequence[Operator]) -> None:
        self._steps: list[tuple[Step, list[Memory]]] = []  # each with what it makes anew
        self._losses = [op for op in operators if any(op.node.loss_weights)]
        rest = list(operators)
        while rest:
            op = rest.pop(0)
            if not _stored(op):
                self._steps.append((_relu(op) if _in_place_relu(op) else _plain(op), _made(op)))
                continue
            scale = rest.pop(0) if rest and _scales(op, rest[0]) else None
            self._steps.append((_normalize(op, scale), _made(op)))

    def forward(self) -> float:
        """Run all layers; the sum of the losses."""
        for step, made in self._steps:
            for memory in made:
                memory.drop()  # so that the new values take the place of the old ones, which caches still hold
            step()
        return sum(op.loss() for op in self._losses)


def _made(op: Operator) -> list[Memory]:
    """The memories that a layer fills without having read them."""
    if not isinstance(op, Text):
        return []
    read = {id(b.data_memory) for b in op.bottoms}
    return [t.data_memory for t in op.tops if id(t.data_memory) not in read]


def _plain(op: Operator) -> Step:
    return lambda: op.forward(False)


def _in_place_relu(op: Operator) -> bool:
    return isinstance(op.node.layer, ReLU) and op.bottoms[0] is op.tops[0] and not op.node.layer.negative_slope


def _relu(op: Operator) -> Step:
    blob = op.tops[0]

    def run() -> None:
        torch.relu_(blob.tensor())
        if blob.data_memory.held:
            blob.data_memory.take(blob.tensor())

    return run


def _stored(op: Operator) -> bool:
    layer, phase = op.node.layer, PHASES[op.node.message.phase]
    return type(layer) is BatchNorm and layer.uses_stored(phase) and 2 <= len(op.bottoms[0].shape) <= 5


def _scales(norm: Operator, scale: Operator) -> bool:
    """Is this a Scale over the channels, in place behind a BatchNorm?"""
    layer, blob = scale.node.layer, norm.tops[0]
    if not isinstance(layer, Scale) or len(scale.bottoms) != 1 or any(norm.node.loss_weights):
        return False
    channels = len(scale.blobs[0].shape) == 1 and layer.axis in (1, 1 - len(blob.shape))
    return scale.bottoms[0] is blob and scale.tops[0] is blob and channels


def _normalize(norm: Operator, scale: Operator | None) -> Step:
    layer = norm.node.layer
    assert isinstance(layer, BatchNorm)
    bottom, top = norm.bottoms[0], (scale or norm).tops[0]
    sums = list(norm.blobs)
    learned = list(scale.blobs) if scale else []

    def run() -> None:
        norm.reshape()
        mean, variance, total = (blob.tensor() for blob in sums)
        factor = float(total)
        share = 1 / factor if factor else 0.0
        gamma, beta = ([blob.tensor() for blob in learned] + [None, None])[:2]
        top.take(F.batch_norm(bottom.tensor(), mean * share, variance * share, gamma, beta, False, 0.0, layer.eps))

    return run
