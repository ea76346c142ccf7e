"""`caffe.coord_map`: how the coordinates of one top follow from those of another, and the Crop that aligns them.

A map is (axis, scale, shift): coordinate y of the top is scale * x + shift for coordinate x of the bottom, on every
axis from `axis` on; an axis of None means that the coordinates are untouched.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from caffe2py.pycaffe.net_spec import Function, Top
from caffe2py.pycaffe.net_spec import layers as L

Map = tuple[int | None, Any, Any]

PASS_THROUGH_LAYERS = [
    "AbsVal",
    "BatchNorm",
    "Bias",
    "BNLL",
    "Dropout",
    "Eltwise",
    "ELU",
    "Log",
    "LRN",
    "Exp",
    "MVN",
    "Power",
    "ReLU",
    "PReLU",
    "Scale",
    "Sigmoid",
    "Split",
    "TanH",
    "Threshold",
]


class UndefinedMapException(Exception):
    """Raised for layers that do not have a defined coordinate mapping."""


class AxisMismatchException(Exception):
    """Raised for mappings with incompatible axes."""


def conv_params(fn: Function) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """(axis, stride, kernel extent, pad) of a layer with windows; the extent counts the gaps of a dilation."""
    params = fn.params.get("convolution_param", fn.params)
    axis = params.get("axis", 1)
    kernel = np.array(params["kernel_size"], ndmin=1)
    dilation = np.array(params.get("dilation", 1), ndmin=1)
    legacy = {f"{word}_{side}" for word in ("pad", "kernel", "stride") for side in "hw"}
    assert not legacy & set(fn.params), "cropping does not support legacy _h/_w params"
    extent = dilation * (kernel - 1) + 1
    return axis, np.array(params.get("stride", 1), ndmin=1), extent, np.array(params.get("pad", 0), ndmin=1)


def crop_params(fn: Function) -> tuple[int, np.ndarray]:
    """(axis, offset) of a Crop."""
    params = fn.params.get("crop_param", fn.params)
    return params.get("axis", 2), np.array(params.get("offset", 0), ndmin=1)


def coord_map(fn: Function) -> Map:
    """The map of one layer. UndefinedMapException: its type has none."""
    if fn.type_name in ("Convolution", "Pooling", "Im2col"):
        axis, stride, extent, pad = conv_params(fn)
        return axis, 1 / stride, (pad - (extent - 1) / 2) / stride
    if fn.type_name == "Deconvolution":
        axis, stride, extent, pad = conv_params(fn)
        return axis, stride, (extent - 1) / 2 - pad
    if fn.type_name in PASS_THROUGH_LAYERS:
        return None, 1, 0
    if fn.type_name == "Crop":
        axis, offset = crop_params(fn)
        return axis - 1, 1, -offset  # -1 for the batch, which the other axes do not count
    raise UndefinedMapException


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


def coord_map_from_to(top_from: Top, top_to: Top) -> Map:
    """The map of `top_to`'s coordinates on those of `top_from`, by a blob that both are made of.

    RuntimeError: there is no such blob, or a layer between has no map.
    """
    start = dict(_walk(top_from))
    for top, way in _walk(top_to):
        if top in start:
            return compose(way, inverse(start[top]))
    raise RuntimeError("Could not compute map between tops; are they connected by spatial layers?")


def _walk(top: Top) -> Iterator[tuple[Top, Map]]:
    """The top itself, and all that it is made of as far as layers have maps, with the maps down to them."""
    maps: dict[Top, Map] = {top: (None, 1, 0)}
    todo = [top]
    while todo:
        here = todo.pop()
        yield here, maps[here]
        # A Crop's second bottom only tells the size.
        bottoms = here.fn.inputs[:1] if here.fn.type_name == "Crop" else here.fn.inputs
        try:
            for bottom in bottoms:
                maps[bottom] = compose(maps[here], coord_map(here.fn))
                todo.append(bottom)
        except UndefinedMapException:
            continue


def crop(top_from: Top, top_to: Top) -> Top:
    """A Crop of `top_from` to the place and size of `top_to`."""
    axis, a, b = coord_map_from_to(top_from, top_to)
    assert np.all(np.asarray(a) == 1), f"scale mismatch on crop (a = {a})"
    assert np.all(np.asarray(b) <= 0), f"cannot crop negative offset (b = {b})"
    assert np.all(np.round(b) == b), f"cannot crop noninteger offset (b = {b})"
    offset = list(-np.round(b).astype(int)) if np.ndim(b) else int(-np.round(b))
    made: Top = L.Crop(top_from, top_to, crop_param={"axis": 2 if axis is None else axis + 1, "offset": offset})
    return made
