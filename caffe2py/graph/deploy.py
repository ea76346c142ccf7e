"""A training file as a net to run: what only training and evaluation need goes, and what it reads comes in.

A training file reads its data itself, from places that are long gone, and compares with labels. Deployed, it takes its
data from whoever runs it, and ends where its learned layers end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from caffe2py.errors import Place
from caffe2py.graph.sizes import Told, told_shape
from caffe2py.layers.base import Layer, Shape
from caffe2py.layers.utility.python import class_of
from caffe2py.proto.schema import LayerParameter
from caffe2py.proto.text.prototxt import LayerText, NetText

if TYPE_CHECKING:
    from caffe2py.proto.weights.layers import LayerBlobs

# Types, beside the losses and accuracies, that only measure or write down what a net makes; and SphereFace's scores,
# which are worse for the label.
MEASURES = frozenset("BoxAnnotatorOHEM DetectionEvaluate HDF5Output MarginInnerProduct MatWrite ParseEvaluate".split())


def deployed(net: NetText, sources: Iterable[LayerText], weights: Mapping[str, LayerBlobs]) -> NetText:
    """The net without data layers, losses and accuracies, and without what only makes labels.

    before: data (Data), conv, ip, loss (SoftmaxWithLoss), accuracy (Accuracy)
    after:  data (Input), conv, ip

    `sources` are the data layers, of whatever phase; `weights` the layers that have some, by name.
    """
    origins = {top: layer for layer in sources for top in layer.message.top}
    layers = _handed_on([_at_test(layer) for layer in net.layers if not is_source(layer)])
    kept = without_losses(layers, weights)
    inputs, notes = inputs_of(kept, origins, weights, net.file)
    gone = [layer.message.name for layer in layers if layer not in kept]
    notes += [f"left out what only serves training: {', '.join(gone)}"] if gone else []
    return replace(net, layers=(*inputs, *kept), notes=(*net.notes, *notes))


def inputs_of(
    layers: list[LayerText], origins: Mapping[str, LayerText], weights: Mapping[str, LayerBlobs], file: str
) -> tuple[list[LayerText], list[str]]:
    """An Input layer for each blob that no layer makes, of the size that its data layer tells; and how it is known."""
    inputs: list[LayerText] = []
    notes: list[str] = []
    for blob in _unmade(layers):
        told = told_shape(origins[blob], blob, layers, weights) if blob in origins else None
        inputs.append(_input(blob, told, file))
        if told is not None and told.how:
            notes.append(_note(blob, told))
    return inputs, notes


def told_inputs(net: NetText, weights: Mapping[str, LayerBlobs]) -> tuple[dict[str, Shape], list[str]]:
    """The shapes of the data layers' tops that show by the weights alone; and how they are known."""
    shapes: dict[str, Shape] = {}
    notes: list[str] = []
    for source in filter(is_source, net.layers):
        for blob in source.message.top:
            told = told_shape(source, blob, net.layers, weights)
            if told is not None and told.how:
                shapes[blob] = told.shape
                notes.append(_note(blob, told))
    return shapes, notes


def _note(blob: str, told: Told) -> str:
    return f"input {blob} is {'x'.join(map(str, told.shape))}: {told.how}"


def reads_data(net: NetText) -> bool:
    """Is this a training file: one whose data layers are more than inputs?"""
    return any(is_source(layer) and layer.message.type not in ("Input", "DummyData") for layer in net.layers)


def without_losses(layers: list[LayerText], weights: Mapping[str, LayerBlobs]) -> list[LayerText]:
    """The layers without losses and accuracies, and without those that nothing learned comes out of."""
    rest = [layer for layer in layers if not _is_loss(layer)]
    if len(rest) == len(layers):
        return layers
    results: set[str] = set()  # blobs that nobody reads, and that something learned is in
    good: set[str] = set()
    for layer in rest:
        results -= set(layer.message.bottom)
        if _is_learned(layer, weights) or good.intersection(layer.message.bottom):
            good.update(layer.message.top)
            results.update(layer.message.top)
    kept: list[LayerText] = []
    for layer in reversed(rest):
        if results.intersection(layer.message.top or layer.message.bottom):
            results -= set(layer.message.top)
            results.update(layer.message.bottom)
            kept.insert(0, layer)
    return kept


def copied(message: Any) -> Any:
    """A copy, to be changed."""
    new = type(message)()
    new.CopyFrom(message)
    return new


def _at_test(layer: LayerText) -> LayerText:
    """The layer without the bottoms and tops that it has for training alone."""
    cls = class_of(layer.message)
    kept = cls.at_test.get(len(layer.message.bottom)) if cls is not None else None
    if kept is None:
        return layer
    message = copied(layer.message)
    message.bottom[:] = [layer.message.bottom[i] for i in kept]
    del message.top[1:], message.propagate_down[:]
    return replace(layer, message=message)


def _handed_on(layers: list[LayerText]) -> list[LayerText]:
    """The layers, with the names that blobs have behind those that only training needs.

    before: proposal makes rpn_rois, roi-data (ProposalTargetLayer) makes rois of them, roi_pool5 reads rois
    after:  proposal makes rois, roi_pool5 reads rois
    """
    read = {blob for layer in layers if not _is_loss(layer) for blob in layer.message.bottom}
    names: dict[str, str] = {}
    for layer in layers:
        cls, message = class_of(layer.message), layer.message
        if cls is not None and cls.trains and message.bottom and message.top[:1] and message.top[0] in read:
            names[message.bottom[0]] = message.top[0]
    return [_renamed(layer, names) for layer in layers] if names else layers


def _renamed(layer: LayerText, names: Mapping[str, str]) -> LayerText:
    message = copied(layer.message)
    for blobs in (message.bottom, message.top):
        blobs[:] = [names.get(blob, blob) for blob in blobs]
    return replace(layer, message=message)


def _is_learned(layer: LayerText, weights: Mapping[str, LayerBlobs]) -> bool:
    """Has the layer weights, or, where no weights are given, would it have some?"""
    if weights:
        return layer.message.name in weights
    cls = class_of(layer.message)
    return cls is not None and cls.weights is not Layer.weights


def _unmade(layers: Iterable[LayerText]) -> list[str]:
    """The blobs that are read and that no layer makes, in the order of their first readers."""
    made: set[str] = set()
    found: dict[str, None] = {}
    for layer in layers:
        found.update(dict.fromkeys(blob for blob in layer.message.bottom if blob not in made))
        made.update(layer.message.top)
    return list(found)


def _input(blob: str, told: Told | None, file: str) -> LayerText:
    made = LayerParameter(name=blob, type="Input", top=[blob])
    if told is not None:
        made.input_param.shape.add(dim=told.shape)
    return LayerText(made, Place(file))


def is_source(layer: LayerText) -> bool:
    """A data layer: ours, or one of a type that is not known and reads no blob (AnnotatedData)."""
    cls = class_of(layer.message)
    return not layer.message.bottom if cls is None else cls.is_input


def _is_loss(layer: LayerText) -> bool:
    """A loss, an accuracy or the like: ours, or one of a type that is not known and bears such a name."""
    cls, type_ = class_of(layer.message), layer.message.type
    if type_ in MEASURES or type_.endswith(("Accuracy", "LossOHEM")) or any(layer.message.loss_weight):
        return True
    return type_.endswith("Loss") if cls is None else cls.is_loss or cls.trains
