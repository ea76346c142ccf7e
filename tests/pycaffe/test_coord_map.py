"""How coordinates follow from layer to layer, and the Crop that aligns tops. BVLC's test_coord_map.py, in our words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import caffe2py.pycaffe as caffe
import caffe2py.pycaffe.coord_map as coordinates
from caffe2py.pycaffe import layers as L
from caffe2py.pycaffe.coord_map import AxisMismatchException, UndefinedMapException, coord_map, coord_map_from_to, crop


def chain(kernel: Any = 3, stride: Any = 1, pad: Any = 0, pool: int = 2, up: int = 2, up_pad: int = 0) -> Any:
    """data -> conv -> relu -> pool -> deconv, the deconvolution of kernel and stride `up`."""
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [2, 3, 100, 100]})
    n.aux = L.Input(shape={"dim": [2, 3, 20, 20]})
    n.conv = L.Convolution(n.data, num_output=10, kernel_size=kernel, stride=stride, pad=pad)
    n.relu = L.ReLU(n.conv, in_place=True)
    n.pool = L.Pooling(n.relu, kernel_size=pool, stride=pool)
    n.deconv = L.Deconvolution(
        n.pool, convolution_param={"num_output": 10, "kernel_size": up, "stride": up, "pad": up_pad}
    )
    return n


MAPS = {
    "no padding": (chain(), "data", "deconv", (1, 1, -1)),
    "padding of the convolution": (chain(pad=1), "data", "deconv", (1, 1, 0)),
    "padding of the deconvolution": (chain(pad=1, up_pad=3), "data", "deconv", (1, 1, -3)),
    "a stride that is not undone": (chain(stride=2), "data", "deconv", (1, 0.5, -0.5)),
    "and back": (chain(stride=2), "deconv", "data", (1, 2, 1)),
    "a layer to itself": (chain(), "pool", "pool", (None, 1, 0)),
    "one pooling": (chain(kernel=1), "conv", "pool", (1, 0.5, -0.25)),
}


@pytest.mark.parametrize(("n", "top", "to", "expected"), MAPS.values(), ids=MAPS)
def test_maps(n: Any, top: str, to: str, expected: tuple[Any, ...]) -> None:
    axis, scale, shift = coord_map_from_to(n[top], n[to])
    assert axis == expected[0]
    np.testing.assert_allclose(np.ravel(scale), expected[1])
    np.testing.assert_allclose(np.ravel(shift), expected[2])


def test_sides_of_their_own() -> None:
    n = chain(kernel=[3, 5], pad=[0, 2])
    _, scale, shift = coord_map_from_to(n.data, n.conv)
    np.testing.assert_array_equal(scale, [1])
    np.testing.assert_array_equal(shift, [-1, 0])
    np.testing.assert_array_equal(crop(n.data, n.conv).fn.params["crop_param"]["offset"], [1, 0])


def test_offsets_of_uneven_strides_are_whole() -> None:
    """1 / 5 is no binary number: the map of a Deconvolution is said forward, not as the inverse of a window's."""
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [2, 3, 100, 100]})
    n.conv = L.Convolution(n.data, num_output=3, kernel_size=1, stride=5)
    n.deconv = L.Deconvolution(n.conv, convolution_param={"num_output": 3, "kernel_size": 9, "stride": 5, "pad": 1})
    assert crop(n.deconv, n.data).fn.params["crop_param"]["offset"] == [3]


def test_types_of_scripts_pass_coordinates_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinates, "PASS_THROUGH_LAYERS", [*coordinates.PASS_THROUGH_LAYERS, "Mine"])
    assert coord_map(L.Mine(L.Input()).fn)[0] is None


def test_crop_and_crop_of_a_crop() -> None:
    n = chain()
    once = crop(n.data, n.deconv)
    assert once.fn.params["crop_param"] == {"axis": 2, "offset": [1]}
    _, _, before = coord_map_from_to(n.deconv, n.data)
    _, _, after = coord_map_from_to(L.Crop(n.deconv, n.data, axis=2, offset=4), n.data)
    np.testing.assert_array_equal(after, before + 4)


NO_CROP = {
    "scales that differ": (lambda n: crop(n.data, n.pool), "scale mismatch on crop"),
    "a negative offset": (lambda n: crop(n.conv, n.data), "cannot crop negative offset"),
    "half a pixel": (lambda n: crop(n.data, L.Convolution(n.data, kernel_size=2)), "cannot crop noninteger offset"),
}


@pytest.mark.parametrize(("make", "fact"), NO_CROP.values(), ids=NO_CROP)
def test_no_crop(make: Any, fact: str) -> None:
    with pytest.raises(AssertionError, match=fact):
        make(chain())


def test_unmappable() -> None:
    n = chain()
    with pytest.raises(UndefinedMapException):
        coord_map(L.InnerProduct(n.data, num_output=2).fn)
    with pytest.raises(RuntimeError, match="are they connected by spatial layers"):
        coord_map_from_to(n.data, L.InnerProduct(n.data, num_output=2))
    with pytest.raises(RuntimeError, match="are they connected by spatial layers"):
        coord_map_from_to(n.data, n.aux)
    other = L.Convolution(n.conv, kernel_size=3, axis=2)
    with pytest.raises(AxisMismatchException):
        coord_map_from_to(other, n.data)


def test_legacy_sides_are_refused() -> None:
    n = chain()
    with pytest.raises(AssertionError, match="cropping does not support legacy _h/_w params"):
        coord_map(L.Convolution(n.data, kernel_h=3, kernel_w=3, kernel_size=3).fn)
