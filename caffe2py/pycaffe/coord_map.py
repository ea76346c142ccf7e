"""`caffe.coord_map`: how the coordinates of one top follow from those of another, and the Crop that aligns them.

A map is (axis, scale, shift): coordinate y of the top is scale * x + shift for coordinate x of the bottom, on every
axis from `axis` on; an axis of None means that the coordinates are untouched.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from caffe2py.graph.coordinates import (
    PASS_THROUGH,
    UNTOUCHED,
    AxisMismatchException,
    Map,
    compose,
    from_to,
    inverse,
    window_map,
)
from caffe2py.pycaffe.net_spec import Function, Top
from caffe2py.pycaffe.net_spec import layers as L

__all__ = [
    "PASS_THROUGH_LAYERS",
    "AxisMismatchException",
    "UndefinedMapException",
    "compose",
    "conv_params",
    "coord_map",
    "coord_map_from_to",
    "crop",
    "crop_params",
    "inverse",
]


PASS_THROUGH_LAYERS = sorted(PASS_THROUGH)  # a list, to which scripts add types of their own


class UndefinedMapException(Exception):
    """Raised for layers that do not have a defined coordinate mapping."""


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
        return window_map(*conv_params(fn))
    if fn.type_name == "Deconvolution":
        axis, stride, extent, pad = conv_params(fn)
        return axis, stride, (extent - 1) / 2 - pad  # in floats, the inverse of a window's map would not be whole
    if fn.type_name in PASS_THROUGH_LAYERS:
        return UNTOUCHED
    if fn.type_name == "Crop":
        axis, offset = crop_params(fn)
        return axis - 1, 1, -offset  # -1 for the batch, which the other axes do not count
    raise UndefinedMapException


def coord_map_from_to(top_from: Top, top_to: Top) -> Map:
    """The map of `top_to`'s coordinates on those of `top_from`, by a blob that both are made of.

    RuntimeError: there is no such blob, or a layer between has no map.
    """
    found = from_to(top_from, top_to, _below)
    if found is None:
        raise RuntimeError("Could not compute map between tops; are they connected by spatial layers?")
    return found


def _below(top: Top) -> tuple[Map, Sequence[Top]] | None:
    """The map of the layer that makes a top, and what it reads; None where it has no map."""
    try:
        made = coord_map(top.fn)
    except UndefinedMapException:
        return None
    # A Crop's second bottom only tells the size.
    return made, top.fn.inputs[:1] if top.fn.type_name == "Crop" else top.fn.inputs


def crop(top_from: Top, top_to: Top) -> Top:
    """A Crop of `top_from` to the place and size of `top_to`."""
    axis, a, b = coord_map_from_to(top_from, top_to)
    assert np.all(np.asarray(a) == 1), f"scale mismatch on crop (a = {a})"
    assert np.all(np.asarray(b) <= 0), f"cannot crop negative offset (b = {b})"
    assert np.all(np.round(b) == b), f"cannot crop noninteger offset (b = {b})"
    offset = list(-np.round(b).astype(int)) if np.ndim(b) else int(-np.round(b))
    made: Top = L.Crop(top_from, top_to, crop_param={"axis": 2 if axis is None else axis + 1, "offset": offset})
    return made
