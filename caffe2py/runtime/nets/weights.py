"""The learned blobs of a net: what a solver may do to each, and how they are copied, shared and saved."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from caffe2py.errors import NetError, WeightError
from caffe2py.graph import Graph
from caffe2py.proto.disk.files import written_whole
from caffe2py.proto.schema import NetParameter
from caffe2py.proto.weights.caffemodel import write_caffemodel
from caffe2py.proto.weights.hdf5 import write_caffemodel_h5
from caffe2py.proto.weights.read import read_weights
from caffe2py.runtime.blobs.blob import Blob
from caffe2py.runtime.blobs.memory import Memory
from caffe2py.runtime.glog import log
from caffe2py.runtime.layers.operator import Operator
from caffe2py.runtime.nets.telling import shape_text


@dataclass
class Spec:
    """A learned blob, with the factors of the learning rate and of the weight decay for it."""

    blob: Blob
    layer: str
    index: int
    lr: float = 1.0
    decay: float = 1.0


@dataclass(frozen=True)
class Specs:
    """The learned blobs of a net, shared ones once."""

    owned: tuple[Spec, ...]

    @staticmethod
    def of(graph: Graph, operators: Sequence[Operator]) -> Specs:
        """Raises `NetError` where layers that share a blob disagree about its factors."""
        found: dict[tuple[str, int], Spec] = {}
        said: dict[tuple[tuple[str, int], str], float] = {}
        for op in operators:
            for i, weight in enumerate(op.node.weights):
                spec = found.setdefault(weight.owner, Spec(op.blobs[i], op.name, i))
                params = list(op.node.message.param)
                if not weight.learned and i >= len(params):
                    spec.lr = 0.0
                if i >= len(params):
                    continue
                for word, field in (("lr_mult", "lr"), ("decay_mult", "decay")):
                    if params[i].HasField(word):
                        value = getattr(params[i], word)
                        if said.setdefault((weight.owner, word), value) != value:
                            name = params[i].name
                            raise op.node.error(NetError, f"shared param '{name}' has mismatched {word}")
                        setattr(spec, field, value)
        return Specs(tuple(found.values()))


def copy_weights(operators: Sequence[Operator], path: str | os.PathLike[str]) -> None:
    """Take over the blobs that the file has for layers of the same name (net.cpp, CopyTrainedLayersFrom)."""
    weights = read_weights(path)
    named: dict[str, Operator] = {}
    for op in operators:
        named.setdefault(op.name, op)
    for layer in weights.layers:
        target = named.get(layer.name)
        if target is None:
            log("net.cpp:744", f"Ignoring source layer {layer.name}")
            continue
        if weights.version != "HDF5" and len(layer.blobs) != len(target.blobs):
            fact = f"{len(layer.blobs)} blobs in {weights.file}, and {len(target.blobs)} here"
            raise WeightError(f"Incompatible number of blobs for layer {layer.name}: {fact}")
        if len(layer.blobs) > len(target.blobs):
            raise WeightError(f"Incompatible number of blobs for layer {layer.name} in {weights.file}")
        for i, blob in enumerate(layer.blobs):
            if blob.absent:
                continue
            own = target.blobs[i]
            shape = tuple(blob.data.shape)
            if not _fits(shape, own.shape, blob.legacy):
                raise WeightError(
                    f"Cannot copy param {i} weights from layer '{layer.name}'; shape mismatch.  Source param shape is "
                    f"{shape_text(shape)}; target param shape is {shape_text(own.shape)}. To learn this layer's "
                    "parameters from scratch rather than copying from a saved net, rename the layer."
                )
            own.data_memory.set(np.ascontiguousarray(blob.data, np.float32).reshape(own.shape))


def _fits(have: Sequence[int], want: Sequence[int], legacy: bool) -> bool:
    """Equal shapes; four legacy axes fit from the right."""
    if legacy and len(want) <= 4:
        return (1,) * (4 - len(want)) + tuple(want) == (1,) * (4 - len(have)) + tuple(have)
    return tuple(have) == tuple(want)


def share_weights(
    operators: Sequence[Operator],
    others: Sequence[Operator],
    parameters: dict[int, nn.Parameter],
    theirs: Mapping[int, nn.Parameter],
) -> None:
    """Have the memory of another net's blobs (net.cpp, ShareTrainedLayersWith)."""
    named = {op.name: op for op in operators}
    for other in others:
        op = named.get(other.name)
        if op is None:
            log("net.cpp:694", f"Ignoring source layer {other.name}")
            continue
        if len(op.blobs) != len(other.blobs):
            raise WeightError(f"Incompatible number of blobs for layer {other.name}")
        for i, (mine, blob) in enumerate(zip(op.blobs, other.blobs, strict=True)):
            if mine.shape != blob.shape:
                raise WeightError(
                    f"Cannot share param {i} weights from layer '{other.name}'; shape mismatch.  Source param shape is "
                    f"{shape_text(blob.shape)}; target param shape is {shape_text(mine.shape)}"
                )
            if mine.data_memory is not blob.data_memory:
                _share(mine, blob, parameters)


def _share(mine: Blob, theirs: Blob, parameters: dict[int, nn.Parameter]) -> None:
    old: Memory = mine.data_memory
    mine.share_data(theirs)
    parameter = parameters.pop(id(old), None)
    if parameter is not None:
        parameter.data = theirs.tensor()
        parameters[id(theirs.data_memory)] = parameter


def write_weights(
    path: str | os.PathLike[str], graph: Graph, operators: Sequence[Operator], hdf5: bool, diff: bool
) -> None:
    """Write the layers, Caffe's Splits among them, with their learned blobs."""
    message = NetParameter(name=graph.name)
    message.layer.extend(op.node.message for op in operators)
    for layer in message.layer:
        if layer.type == "BatchNorm" and not layer.param:  # Caffe says so while it sets the layer up
            for _ in range(3):
                layer.param.add(lr_mult=0.0)
    blobs = {op.node.key: [b.data for b in op.blobs] for op in operators if op.blobs}
    if hdf5:
        owned = {
            op.node.key: [b.data for b, w in zip(op.blobs, op.node.weights, strict=True) if w.owner[0] == op.node.key]
            for op in operators
            if op.blobs
        }
        write_caffemodel_h5(path, message, owned)
    elif diff:
        _write_with_diffs(path, message, operators)
    else:
        write_caffemodel(path, message, blobs)


def _write_with_diffs(path: str | os.PathLike[str], message: Any, operators: Sequence[Operator]) -> None:
    """A binary file that has the gradients, too (`snapshot_diff`)."""
    for layer, op in zip(message.layer, operators, strict=True):
        for blob in op.blobs:
            stored = layer.blobs.add()
            stored.shape.dim.extend(blob.shape)
            stored.data.extend(blob.data.ravel())
            stored.diff.extend(blob.diff.ravel())
    with written_whole(path) as temporary:
        temporary.write_bytes(message.SerializeToString())
