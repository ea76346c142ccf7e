"""The net inside a caffemodel: what a solver saved, as a net to run on inputs.

A saved net is the net that was trained: Caffe has put its Split layers in, data layers read files that are long gone,
and losses and accuracies compare with labels. In phase TEST those are taken out again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from caffe2py.errors import CaffemodelError, Place
from caffe2py.layers.base import Misfit, Params, Shape, find_layer
from caffe2py.layers.utility.python import Python
from caffe2py.proto.filter import filter_net
from caffe2py.proto.net import net_of
from caffe2py.proto.schema import LayerParameter
from caffe2py.proto.text.prototxt import LayerText, NetText
from caffe2py.proto.weights.layers import Weights


def saved_net(
    weights: Weights, phase: str = "TEST", level: int = 0, stages: Sequence[str] = (), dialect: str | None = None
) -> NetText:
    """The net that a caffemodel holds, filtered for `phase`. Raises `UnsupportedError` for HDF5, which holds none,
    and `CaffemodelError` for a file of bare weights.

    before: data (Data), conv, conv_conv_0_split (Split), ip, loss (SoftmaxWithLoss), accuracy (Accuracy)
    after:  data (Input), conv, ip         TRAIN keeps the losses; what only makes labels goes where they go
    """
    net = net_of(weights, dialect)
    if not any(layer.message.bottom for layer in net.layers):
        raise CaffemodelError(
            "holds weights, and does not say what its layers read; give the prototxt too", weights.file
        )
    sources = {top: layer for layer in net.layers if _is_source(layer) for top in layer.message.top}
    layers = [_without_phase(layer) for layer in join_splits(net.layers) if not _is_source(layer)]
    net = filter_net(replace(net, layers=tuple(layers)), phase=phase, level=level, stages=stages)
    kept = list(net.layers)
    if phase == "TEST":
        kept = _without_losses(kept, {layer.name for layer in weights.layers if layer.blobs})
    inputs = [_input(blob, sources.get(blob), weights.file) for blob in _unmade(kept)]
    gone = [layer.message.name for layer in net.layers if layer not in kept]
    notes = [f"no prototxt was given: the net is the one in {weights.file}"]
    notes += [f"left out what only serves training: {', '.join(gone)}"] if gone else []
    return replace(net, layers=(*inputs, *kept), notes=(*net.notes, *notes))


def join_splits(layers: Iterable[LayerText]) -> list[LayerText]:
    """The layers without the Splits that Caffe put in: their readers read the blob itself (insert_splits.cpp)."""
    kept: list[LayerText] = []
    real: dict[str, str] = {}  # a top of such a Split: the blob it is
    for layer in layers:
        old = layer.message
        if old.type == "Split" and list(old.top) == [f"{old.name}_{i}" for i in range(len(old.top))]:
            real.update(dict.fromkeys(old.top, real.get(old.bottom[0], old.bottom[0])))
        elif any(blob in real for blob in old.bottom):
            new = _copy(old)
            new.bottom[:] = [real.get(blob, blob) for blob in old.bottom]
            kept.append(replace(layer, message=new))
        else:
            kept.append(layer)
    return kept


def _without_losses(layers: list[LayerText], learned: set[str]) -> list[LayerText]:
    """The layers without losses and accuracies, and without those that nothing learned comes out of."""
    rest = [layer for layer in layers if not _is_loss(layer)]
    if len(rest) == len(layers):
        return layers
    results: set[str] = set()  # blobs that nobody reads, and that something learned is in
    good: set[str] = set()
    for layer in rest:
        results -= set(layer.message.bottom)
        if layer.message.name in learned or good.intersection(layer.message.bottom):
            good.update(layer.message.top)
            results.update(layer.message.top)
    kept: list[LayerText] = []
    for layer in reversed(rest):
        if results.intersection(layer.message.top or layer.message.bottom):
            results -= set(layer.message.top)
            results.update(layer.message.bottom)
            kept.insert(0, layer)
    return kept


def _unmade(layers: Iterable[LayerText]) -> list[str]:
    """The blobs that are read and that no layer makes, in the order of their first readers."""
    made: set[str] = set()
    found: dict[str, None] = {}
    for layer in layers:
        found.update(dict.fromkeys(blob for blob in layer.message.bottom if blob not in made))
        made.update(layer.message.top)
    return list(found)


def _input(blob: str, source: LayerText | None, file: str) -> LayerText:
    """An Input layer for a blob, with the shape that its data layer tells."""
    shape: Shape | None = None
    if source is not None:
        message, cls = source.message, find_layer(source.message.type)
        try:
            shapes = cls.read(Params(message, source.unknown)).shapes() if cls else ()
        except Misfit:
            shapes = ()
        shape = dict(zip(message.top, shapes, strict=False)).get(blob)
    made = LayerParameter(name=blob, type="Input", top=[blob])
    if shape is not None:
        made.input_param.shape.add(dim=shape)
    return LayerText(made, Place(file))


def _is_source(layer: LayerText) -> bool:
    """A data layer: ours, or one of a type that is not known and reads no blob (AnnotatedData)."""
    cls = find_layer(layer.message.type)
    return not layer.message.bottom if cls in (None, Python) else cls.is_input


def _is_loss(layer: LayerText) -> bool:
    """A loss or an accuracy: ours, or one of a type that is not known and bears such a name (MultiBoxLoss)."""
    cls, type_ = find_layer(layer.message.type), layer.message.type
    return type_.endswith(("Loss", "Accuracy")) if cls is None else cls.is_loss or type_ == "Accuracy"


def _without_phase(layer: LayerText) -> LayerText:
    """Caffe saves each layer with the phase it was trained in, and the rules that let it in."""
    message = _copy(layer.message)
    message.ClearField("phase")
    return replace(layer, message=message)


def _copy(message: Any) -> Any:
    new = type(message)()
    new.CopyFrom(message)
    return new
