"""Crop without parameters, as the branch of FCN and HED had it: the offset is where the layers put the two bottoms.

Each layer maps the coordinates of its top to those of its bottom: x_bottom = a * x_top + b in each direction. A blob
that both bottoms come from ties their coordinates together; the cut begins where the second one's 0 lies in the first.
Source: coord_map.py of pycaffe, which writes such offsets into nets; crop_layer.cpp of HED.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from caffe2py.proto.schema import LayerParameter
from caffe2py.proto.text.prototxt import LayerText, NetText

# What forks call the dilation of a convolution.
DILATIONS = ("hole", "filter_stride", "dilation_h", "dilation_w", "filter_stride_h", "filter_stride_w")


class Map(NamedTuple):
    """Coordinates of one blob in those of another, in height and in width: x -> scale * x + shift."""

    scale: tuple[Fraction, Fraction]
    shift: tuple[Fraction, Fraction]

    def then(self, other: Map) -> Map:
        """This map after the other one: self(other(x))."""
        pairs = list(zip(self.scale, self.shift, other.scale, other.shift, strict=True))
        (h, w), (y, x) = [a * c for a, _, c, _ in pairs], [a * d + b for a, b, _, d in pairs]
        return Map((h, w), (y, x))

    def inverse(self) -> Map:
        (h, w), (y, x) = (1 / a for a in self.scale), (-b / a for a, b in zip(self.scale, self.shift, strict=True))
        return Map((h, w), (y, x))


ONE = Map((Fraction(1), Fraction(1)), (Fraction(0), Fraction(0)))

# Types whose tops lie where their bottoms lie.
IN_PLACE = frozenset(
    """AbsVal BN BNLL BatchNorm Bias Clip Dropout ELU Eltwise Exp LRN Log MVN PReLU Power ReLU ReLU6 Scale Sigmoid Split
    Swish TanH Threshold""".split()
)


def with_offsets(net: NetText) -> NetText:
    """The net with an offset for each Crop that has no parameters, where the layers above it tell one.

    before: layer { type: "Crop" bottom: "up" bottom: "data" }
    after:  layer { type: "Crop" bottom: "up" bottom: "data" crop_param { axis: 2 offset: 19 offset: 19 } }

    Two bottoms of nothing in common, or of different scales, stay as they are: Caffe's own Crop begins at 0.
    """
    if not any(_is_bare(layer) for layer in net.layers):
        return net
    layers: list[LayerText] = []
    notes: list[str] = []
    made: dict[str, _Value] = {}
    for layer in net.layers:
        message = layer.message
        bottoms = [made.setdefault(blob, _Value(None, ())) for blob in message.bottom]
        if _is_bare(layer) and (offset := _offset(bottoms[0], bottoms[1])):
            layer = replace(layer, message=_with_offset(message, offset))
            where = "x".join(map(str, dict.fromkeys(offset)))
            fact = "cut where the layers above it put its two bottoms, as the FCN fork does; Caffe's own Crop cuts at 0"
            notes.append(f'{layer.place}: layer "{message.name}" (Crop) has no crop_param: {fact}, this one at {where}')
        layers.append(layer)
        made.update({blob: _Value(layer, tuple(bottoms)) for blob in message.top})
    return replace(net, layers=tuple(layers), notes=(*net.notes, *notes))


class _Value:
    """A blob as one layer made it, and what that layer reads. Each is itself alone, whatever its name."""

    def __init__(self, maker: LayerText | None, bottoms: tuple[_Value, ...]) -> None:
        self.maker = maker
        self.bottoms = bottoms


def _is_bare(layer: LayerText) -> bool:
    message = layer.message
    return message.type == "Crop" and len(message.bottom) == 2 and not message.HasField("crop_param")


def _with_offset(message: LayerParameter, offset: Sequence[int]) -> LayerParameter:
    new = LayerParameter()
    new.CopyFrom(message)
    new.crop_param.axis = 2
    new.crop_param.offset.extend(offset)
    return new


def _offset(cut: _Value, like: _Value) -> tuple[int, ...]:
    """Where the second blob's 0 lies in the first; () where that is 0, or cannot be told."""
    froms, tos = _maps(cut), _maps(like)
    for value in tos:
        if value in froms:
            found = froms[value].inverse().then(tos[value])
            if found.scale != ONE.scale or min(found.shift) < 0 or not any(found.shift):
                return ()
            return tuple(math.floor(shift + Fraction(1, 2)) for shift in found.shift)
    return ()


def _maps(value: _Value) -> dict[_Value, Map]:
    """All that a blob comes from, the nearest first, with the map of its coordinates to theirs."""
    found = {value: ONE}
    todo = [value]
    for each in todo:
        step = _step(each.maker) if each.maker is not None else None
        if each.maker is None or step is None:
            continue
        for bottom in each.bottoms[:1] if each.maker.message.type == "Crop" else each.bottoms:
            if bottom not in found:
                found[bottom] = step.then(found[each])
                todo.append(bottom)
    return found


def _step(layer: LayerText) -> Map | None:
    """The map of a layer's top to its bottom, None for a type that has none."""
    message = layer.message
    if message.type in IN_PLACE:
        return ONE
    if message.type == "Crop":
        offset = list(message.crop_param.offset) or [0]
        h, w = (offset * 2)[:2] if len(offset) == 1 else offset[-2:]
        return Map(ONE.scale, (Fraction(h), Fraction(w)))
    if message.type == "Pooling":
        return _window(message.pooling_param, ()) if not message.pooling_param.global_pooling else None
    if message.type in ("Convolution", "Im2col", "Deconvolution"):
        apart = [u.value for name in DILATIONS for u in layer.unknown if u.path == f"convolution_param.{name}"]
        step = _window(message.convolution_param, apart or message.convolution_param.dilation)
        return step.inverse() if step is not None and message.type == "Deconvolution" else step
    return None


def _window(block: LayerParameter, dilation: Iterable[object]) -> Map | None:
    """A window's top to its bottom: the middle of the window that makes a value."""
    sizes = _pair(block, "kernel_size", "kernel_h", "kernel_w", 0)
    strides = _pair(block, "stride", "stride_h", "stride_w", 1)
    pads = _pair(block, "pad", "pad_h", "pad_w", 0)
    apart = [d for d in dilation if isinstance(d, int)] or [1]
    if not all(sizes) or not all(strides):
        return None
    h, w = (Fraction((s - 1) * d, 2) - p for s, d, p in zip(sizes, (apart * 2)[:2], pads, strict=True))
    return Map((Fraction(strides[0]), Fraction(strides[1])), (h, w))


def _pair(block: LayerParameter, both: str, height: str, width: str, otherwise: int) -> tuple[int, int]:
    if block.HasField(height) or block.HasField(width):
        return getattr(block, height), getattr(block, width)
    value = getattr(block, both)
    if isinstance(value, int):
        values = [value] if block.HasField(both) else []
    else:
        values = list(value)
    values = values or [otherwise]
    return values[0], values[-1] if len(values) == 2 else values[0]
