"""Where a prototxt and the net that a caffemodel was saved from differ: a prototxt of another net, perhaps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe2py.errors import CaffeError
from caffe2py.layers.base import Misfit, Params, find_layer
from caffe2py.proto.names import unique
from caffe2py.proto.net import net_of
from caffe2py.proto.notes import NumberNote
from caffe2py.proto.text.prototxt import LayerText, NetText
from caffe2py.proto.weights.layers import Weights

MOST = 4  # layers that are told by name


def differences(net: NetText, weights: Weights) -> tuple[str, ...]:
    """A note on the layers of one name and type whose parameters differ; the prototxt's are the ones that count.

    What only training reads is not compared, nor what a file does not hold (HDF5, bare weights), or cannot be told (an
    undecided dialect).
    """
    try:
        theirs = net_of(weights).layers
    except CaffeError:
        return ()
    saved = {key: layer for key, layer in zip(_keys(theirs), theirs, strict=True) if layer.message.bottom}
    found = []
    for key, layer in zip(_keys(net.layers), net.layers, strict=True):
        other = saved.get(key)
        if other is not None and layer.message.type == other.message.type and not _same_blocks(layer, other):
            here, there = _read(layer), _read(other)
            if None not in (here, there) and here != there:
                found.append(f"{layer.message.name} ({here or 'the defaults'} here, {there or 'the defaults'} there)")
    if not found:
        return ()
    more = f" and {len(found) - MOST} more" if len(found) > MOST else ""
    have = "1 layer has" if len(found) == 1 else f"{len(found)} layers have"
    fact = f"{have} other parameters in the net that {weights.file} was saved from"
    return (NumberNote(f"{fact}: {', '.join(found[:MOST])}{more}"),)


def _keys(layers: Sequence[LayerText]) -> list[str]:
    return unique(layer.message.name for layer in layers)


def _same_blocks(layer: LayerText, other: LayerText) -> bool:
    """Are the two alike before anybody looks at what they mean?"""
    return _blocks(layer.message) == _blocks(other.message) and (
        {(u.path, u.value) for u in layer.unknown} == {(u.path, u.value) for u in other.unknown}
    )


def _blocks(message: Any) -> list[Any]:
    return [value for field, value in message.ListFields() if field.number > 11]


def _read(layer: LayerText) -> str | None:
    """The layer in a few words, None where its parameters matter in training alone, or nobody knows its type."""
    cls = find_layer(layer.message.type)
    if cls is None or cls.is_input or cls.is_loss or cls.idle or cls.running:
        return None
    try:
        return cls.read(Params(layer.message, layer.unknown)).summary()
    except Misfit:
        return None
