"""The size of an input that a data layer reads: what the prototxt tells of it, and the first layer's weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe2py.layers.base import Misfit, Params, Shape, find_layer
from caffe2py.layers.data.told import told_number, told_size
from caffe2py.proto.text.prototxt import LayerText

if TYPE_CHECKING:
    from caffe2py.proto.weights.layers import LayerBlobs


@dataclass(frozen=True)
class Told:
    """A shape, and where its numbers are from: `how` is a sentence's end."""

    shape: Shape
    how: str = ""


def told_shape(
    source: LayerText, blob: str, readers: Sequence[LayerText], weights: Mapping[str, LayerBlobs]
) -> Told | None:
    """The shape of a data layer's top, None where neither the file nor the weights tell it.

    Its height and width are crop_size, else new_height and new_width, else what it is resized to; its channels are
    those that the first layer with weights takes; where that goes over volumes, their length is new_length. `readers`
    are the layers of the net.
    """
    message = source.message
    shape = _declared(source).get(blob)
    if shape is not None:
        return Told(shape)
    if blob != next(iter(message.top), None):
        return None
    params = Params(message, source.unknown)
    batch = told_number(params, "batch_size") or 1
    size, name = told_size(params)
    channels, layer = _channels(blob, readers, weights, size)
    sizes: tuple[int, ...] = size
    if layer and len(weights[layer].blobs[0].data.shape) == 5:
        sizes, name = (told_number(params, "new_length"), *size), f"new_length and {name}"
    if not all(sizes) or not channels:
        return None
    what = f"{channels} channels from the weights of {layer}"
    return Told((batch, channels, *sizes), f"{what}, {'x'.join(map(str, sizes))} from {name} of layer {message.name}")


def _declared(source: LayerText) -> dict[str, Shape]:
    """What the layer's class makes of its parameters."""
    cls = find_layer(source.message.type)
    try:
        shapes = cls.read(Params(source.message, source.unknown)).shapes() if cls else ()
    except Misfit:
        shapes = ()
    return {blob: shape for blob, shape in zip(source.message.top, shapes, strict=False) if shape is not None}


def _channels(
    blob: str, layers: Iterable[LayerText], weights: Mapping[str, LayerBlobs], size: tuple[int, int]
) -> tuple[int, str]:
    """How many channels the first layer with weights takes, and its name; 0 where none tells."""
    alike = {blob}  # the blob, and what is made of it with as many channels
    whole = {blob}  # and with the same height and width
    for layer in layers:
        message = layer.message
        if not alike.intersection(message.bottom[:1]):
            continue
        stored = weights.get(message.name)
        shapes = [tuple(b.data.shape) for b in stored.blobs] if stored else []
        if shapes:
            taken = _taken(layer, shapes[0], size if whole.intersection(message.bottom[:1]) else (0, 0))
            if taken:
                return taken, message.name
        elif message.type in SAME:
            alike.update(message.top)
            whole.update(message.top if message.type != "Pooling" else ())
    return 0, ""


# Types without weights whose tops have as many channels as their bottom.
SAME = frozenset("AbsVal BNLL Dropout ELU Exp LRN Log MVN Pooling Power ReLU Sigmoid Split TanH Threshold".split())


def _taken(layer: LayerText, weights: Shape, size: tuple[int, int]) -> int:
    """How many channels a layer's first bottom has, by the shape of its weights; 0 where they do not tell."""
    message = layer.message
    params = Params(message, layer.unknown)
    if message.type == "InnerProduct":
        inputs = weights[-2] if params.get("inner_product_param.transpose") else weights[-1]
        pixels = size[0] * size[1]
        return inputs // pixels if pixels and inputs % pixels == 0 and message.inner_product_param.axis == 1 else 0
    if message.HasField("convolution_param") and len(weights) >= 3:
        if message.type == "Deconvolution" or (weights[1] == 1 and "epthwise" in message.type):
            return weights[0]
        return weights[1] * params.get("convolution_param.group", 1)
    counts = [n for n in weights if n > 1]
    return counts[0] if message.type in ("BatchNorm", "BN", "Scale", "Bias", "PReLU") and len(counts) == 1 else 0
