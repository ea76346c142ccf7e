"""Where the values of one blob lie in another, and the Crop without parameters of FCN's and HED's forks.

A map is (axis, scale, shift): coordinate y of a layer's top is scale * x + shift for coordinate x of its bottom, on
every axis behind `axis`; an axis of None means that coordinates are untouched. Source: coord_map.py of pycaffe, which
writes the offsets of a Crop into nets; crop_layer.cpp of s9xie/hed, which works them out when it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np

from caffe2py.layers.base import Layer, Misfit, Params, find_layer
from caffe2py.layers.vision.crop import Crop, is_bare
from caffe2py.layers.vision.deconvolution import Deconvolution
from caffe2py.layers.vision.pooling import Pooling
from caffe2py.layers.vision.windowed import Windowed
from caffe2py.proto.notes import NumberNote
from caffe2py.proto.text.prototxt import LayerText, NetText

Map = tuple[int | None, Any, Any]
UNTOUCHED: Map = (None, 1, 0)
T = TypeVar("T")

# Types whose tops lie where their bottoms lie, of Caffe's own and of forks.
PASS_THROUGH = frozenset(
    "AbsVal BatchNorm Bias BNLL Dropout Eltwise ELU Log LRN Exp MVN Power ReLU PReLU Scale Sigmoid Split TanH "
    "Threshold".split()
)
ALSO = frozenset("BN Clip Normalize ReLU6 Swish".split())


class AxisMismatchException(Exception):
    """Raised for mappings with incompatible axes."""


def compose(base_map: Map, next_map: Map) -> Map:
    """First `base_map`, then `next_map`. AxisMismatchException: they are of different axes."""
    axis1, scale1, shift1 = base_map
    axis2, scale2, shift2 = next_map
    if axis1 is not None and axis2 is not None and axis1 != axis2:
        raise AxisMismatchException
    return axis1 if axis2 is None else axis2, scale1 * scale2, scale1 * shift2 + shift1


def inverse(coord_map: Map) -> Map:
    """The map back."""
    axis, scale, shift = coord_map
    return axis, 1 / scale, -shift / scale


def window_map(axis: int, stride: Any, extent: Any, pad: Any) -> Map:
    """The map of a sliding window: a value lies where the middle of its window lies."""
    return axis, 1 / stride, (pad - (extent - 1) / 2) / stride


def from_to(start: T, end: T, below: Callable[[T], tuple[Map, Sequence[T]] | None]) -> Map | None:
    """The map of `end`'s coordinates on those of `start`, by a blob that both are made of; None where there is none.

    `below` tells the map of the layer that makes a blob, and what that layer reads; None where it has no map.
    """
    known = dict(_walk(start, below))
    for blob, way in _walk(end, below):
        if blob in known:
            return compose(way, inverse(known[blob]))
    return None


def _walk(top: T, below: Callable[[T], tuple[Map, Sequence[T]] | None]) -> Iterator[tuple[T, Map]]:
    """The blob itself, and all that it is made of as far as layers have maps, with the maps down to them."""
    maps: dict[T, Map] = {top: UNTOUCHED}
    todo = [top]
    while todo:
        here = todo.pop()
        yield here, maps[here]
        step, bottoms = below(here) or (UNTOUCHED, ())
        for bottom in bottoms:
            if bottom not in maps:
                maps[bottom] = compose(maps[here], step)
                todo.append(bottom)


def layer_map(layer: Layer) -> Map | None:
    """The map of one layer, exact; None where its type has none."""
    if isinstance(layer, Windowed):
        window = layer.window((1, 1, 1, 1))
        made = window_map(layer.axis, *map(_exact, (window.stride, window.extent, window.pad)))
        return inverse(made) if isinstance(layer, Deconvolution) else made
    if isinstance(layer, Pooling) and not layer.global_pooling:
        return window_map(1, *map(_exact, (layer.stride, layer.kernel, layer.pad)))
    if isinstance(layer, Crop):
        return layer.axis - 1, 1, -_exact(layer.starts((1,) * 4))
    return UNTOUCHED if layer.type in PASS_THROUGH | ALSO else None


def _exact(values: Sequence[int]) -> Any:
    return np.array([Fraction(v) for v in values], object)


class _Blob:
    """A blob as one layer made it. Each is itself alone, whatever its name."""

    def __init__(self, maker: LayerText | None = None, bottoms: Sequence[_Blob] = ()) -> None:
        self.maker = maker
        self.bottoms = bottoms

    def below(self) -> tuple[Map, Sequence[_Blob]] | None:
        cls = find_layer(self.maker.message.type) if self.maker is not None else None
        if cls is None or self.maker is None:
            return None
        try:
            layer = cls.read(Params(self.maker.message, self.maker.unknown))
            found = layer_map(layer)
        except Misfit:
            return None  # the graph says what is wrong
        # A Crop's second bottom only tells the size.
        return None if found is None else (found, self.bottoms[:1] if isinstance(layer, Crop) else self.bottoms)


def aligned(net: NetText) -> NetText:
    """The net with an offset for each Crop without parameters, where the layers above it tell one.

    before: layer { type: "Crop" bottom: "up" bottom: "data" }
    after:  layer { type: "Crop" bottom: "up" bottom: "data" crop_param { axis: 2 offset: 19 offset: 19 } }

    Two bottoms with nothing in common, of different scales, or that begin at one place stay: the cut begins at 0.
    """
    layers: list[LayerText] = []
    notes: list[str] = []
    made: dict[str, _Blob] = {}
    for layer in net.layers:
        message = layer.message
        bottoms = [made.setdefault(blob, _Blob()) for blob in message.bottom]
        if is_bare(message) and (offset := _offset(bottoms[0], bottoms[1])):
            new = type(message)()
            new.CopyFrom(message)
            new.crop_param.axis = 2
            new.crop_param.offset.extend(offset)
            layer = replace(layer, message=new)
            where = "x".join(map(str, dict.fromkeys(offset)))
            fact = (
                "without crop_param is that of FCN's and HED's forks, which cut where the layers above put its bottoms"
            )
            notes.append(
                NumberNote(
                    f'{layer.place}: layer "{message.name}": a Crop {fact}: at {where}; Caffe\'s own would cut at 0'
                )
            )
        layers.append(layer)
        made.update({blob: _Blob(layer, bottoms) for blob in message.top})
    return replace(net, layers=tuple(layers), notes=(*net.notes, *notes))


def _offset(cut: _Blob, like: _Blob) -> tuple[int, ...]:
    """Where the second blob's 0 lies in the first; () where that is 0, or cannot be told."""
    try:
        found = from_to(cut, like, _Blob.below)
    except AxisMismatchException:
        return ()
    if found is None or found[0] != 1 or np.any(np.asarray(found[1]) != 1):
        return ()
    starts = [_rounded(-shift) for shift in np.ravel(found[2])]
    starts = starts * 2 if len(starts) == 1 else starts
    return tuple(starts) if min(starts) >= 0 and any(starts) else ()


def _rounded(value: Any) -> int:
    """Rounded, halves up."""
    return int((Fraction(value) + Fraction(1, 2)) // 1)
