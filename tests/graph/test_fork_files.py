"""A fork's caffemodel alone: its numbers, its blobs and its layers together make what the fork's formulas say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import caffe2py
from tests.helpers.forks import saved
from tests.helpers.layer_runs import FORWARD
from tests.helpers.tables.forks.formula import by_channel, some
from tests.helpers.tables.forks.normalization import normalized
from tests.helpers.tables.forks.vision import convolved, pooled
from tests.helpers.tables.layers import Array

SCALE, SHIFT, MEAN, VARIANCE = some(3), some(3), some(3), some(3, low=0.5)
WEIGHT, BIAS = some(4, 3, 2, 3, 3), some(4)
IMAGE, VOLUME = (2, 3, 4, 6), (2, 3, 5, 9, 9)


def blob(values: Array, *shape: int) -> str:
    data = " ".join(f"data: {v}" for v in values.ravel())
    dims = " ".join(f"dim: {d}" for d in shape or values.shape)
    return f"blobs {{ shape {{ {dims} }} {data} }}"


def c3d_blob(values: Array) -> str:
    """Of 2014: five numbers, the bias in the last."""
    names = ("num", "channels", "length", "height", "width")
    sizes = values.shape if values.ndim == 5 else (1, 1, 1, 1, values.size)
    said = " ".join(f"{n}: {s}" for n, s in zip(names, sizes, strict=True))
    return f"blobs {{ {said} {' '.join(f'data: {v}' for v in values.ravel())} }}"


def fed(shape: tuple[int, ...], layers: str) -> str:
    dims = " ".join(f"dim: {d}" for d in shape)
    return f'input: "x" input_shape {{ {dims} }}\n{layers}'


def batch_norm(params: str, *blobs: Array) -> str:
    stored = " ".join(map(blob, blobs))
    return f'layer {{ name: "y" type: "BatchNorm" bottom: "x" top: "y" batch_norm_param {{ {params} }} {stored} }}'


def bn(params: str, *blobs: Array) -> str:
    stored = " ".join(blob(b, 1, 3, 1, 1) for b in blobs)
    return f'layer {{ name: "y" type: "BN" bottom: "x" top: "y" bn_param {{ {params} }} {stored} }}'


INTERP = 'layer { name: "z" type: "Interp" bottom: "y" top: "z" interp_param { zoom_factor: 1 } }'
UPSAMPLE = """
layer { name: "p" type: "Pooling" bottom: "y" top: "p" top: "m" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "u" type: "Upsample" bottom: "p" bottom: "m" top: "u"
  upsample_param { scale: 2 upsample_h: 4 upsample_w: 6 } }"""
C3D = f"""layers {{ name: "data" type: VIDEO_DATA top: "x" top: "label"
  image_data_param {{ source: "list" batch_size: 2 crop_size: 9 new_length: 5 show_data: 0 }} }}
layers {{ name: "c" type: CONVOLUTION3D bottom: "x" top: "c" {c3d_blob(WEIGHT)} {c3d_blob(BIAS)}
  convolution_param {{ num_output: 4 kernel_size: 3 kernel_depth: 2 pad: 1 }} }}
layers {{ name: "p" type: POOLING3D bottom: "c" top: "p"
  pooling_param {{ pool: MAX kernel_size: 2 kernel_depth: 1 stride: 2 temporal_stride: 1 }} }}"""


def frozen(x: Array) -> Array:
    return normalized(x, MEAN, VARIANCE, 1e-5, SCALE, SHIFT)


def merged(x: Array) -> Array:
    """SegNet's scale and shift, then each maximum where it was, and zeros around it."""
    y = x * by_channel(SCALE, x) + by_channel(SHIFT, x)
    largest = pooled(y, (2, 2), (2, 2), (0, 0), "MAX").repeat(2, 2).repeat(2, 3)
    return np.where(y == largest, y, 0.0)


def volumes(x: Array) -> Array:
    made = convolved(x, WEIGHT, BIAS, (1, 1, 1), (0, 1, 1))
    return pooled(made, (1, 2, 2), (1, 2, 2), (0, 0, 0), "MAX")


# The fork, the net with its blobs, the shape of its input, and what comes out.
FILES: dict[str, tuple[str, str, tuple[int, ...], Callable[[Array], Array]]] = {
    "PSPNet": ("pspnet", fed(IMAGE, f"{bn('frozen: true', SCALE, SHIFT, MEAN, VARIANCE)}\n{INTERP}"), IMAGE, frozen),
    "SegNet": ("segnet", fed(IMAGE, f"{bn('bn_mode: INFERENCE', SCALE, SHIFT)}\n{UPSAMPLE}"), IMAGE, merged),
    "NVCaffe": (
        "nvcaffe",
        fed(IMAGE, batch_norm("scale_bias: true", MEAN, VARIANCE, np.array([3.0]), SCALE, SHIFT)),
        IMAGE,
        frozen,
    ),
    "DIGITS": (
        "nvcaffe014",
        fed(IMAGE, batch_norm("scale_filler { value: 1 }", SCALE, SHIFT, MEAN, VARIANCE, np.array([1.0]))),
        IMAGE,
        frozen,
    ),
    "C3D": ("c3d", C3D, VOLUME, volumes),
}


@pytest.mark.parametrize("name", FILES)
def test_a_caffemodel_alone(name: str, tmp_path: Path) -> None:
    fork, text, shape, formula = FILES[name]
    path = tmp_path / "net.caffemodel"
    path.write_bytes(saved(fork, f'name: "net"\n{text}'))
    graph = caffe2py.load(path)
    x = some(*shape)
    (top,) = caffe2py.run(graph, {"x": x.astype(np.float32)}).values()
    want = formula(x)
    np.testing.assert_allclose(top, want, rtol=FORWARD, atol=FORWARD * np.abs(want).max())
