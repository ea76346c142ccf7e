"""Resize and Upsample: which places of an axis each place of the result is made of. Source: ONNX's Resize."""

from __future__ import annotations

import math

import numpy as np

from caffe2py.frontends.caffe.draft import Draft, Unsayable, limited
from caffe2py.frontends.caffe.resizing import resize
from caffe2py.frontends.onnx.node import Made, Node, operator

f32 = np.float32


@operator("Resize", "Upsample")
def resized(node: Node, n: Draft) -> Made:
    x = node.blob()
    if node.attr("antialias", 0) or node.attr("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Unsayable("smooths what it makes smaller, or keeps the ratio of sizes")
    early = node.op == "Upsample" or node.opset < 11
    scales = node.given(1 if early else 2, "scales")
    sizes = [] if early else node.given(3, "sizes", [])
    coordinates = "asymmetric" if early else node.attr("coordinate_transformation_mode", "half_pixel")
    axes = [a % len(x.shape) for a in node.attr("axes") or range(len(x.shape))]
    matrices = {}
    for i, axis in enumerate(axes):
        size = x.shape[axis]
        scale = f32(scales[i]) if scales else f32(sizes[i] / size)
        out = math.floor(size * float(scale)) if scales else int(sizes[i])
        if coordinates == "align_corners" and scales and out != size * float(scale):
            raise Unsayable("aligns corners of a size that is no whole number, which the runtimes take differently")
        if out != size or scale != 1:
            matrices[axis] = _matrix(node, coordinates, size, out, scale, early)
    return resize(n, x, matrices)


def _matrix(node: Node, coordinates: str, size: int, out: int, scale: np.float32, early: bool) -> np.ndarray:
    mode = node.attr("mode", "nearest")
    limited(out, size)
    at = _places(coordinates, size, out, scale)
    matrix = np.zeros((out, size), f32)
    rows = np.arange(out)
    if mode == "nearest":
        plain = "ceil" if scale < 1 else "floor"  # where the operator does not say it, as onnxruntime takes it
        rounding = plain if early else node.attr("nearest_mode", "round_prefer_floor")
        matrix[rows, np.clip(_rounded(at, rounding), 0, size - 1)] = 1
        return matrix
    if mode not in ("linear", "cubic"):
        raise Unsayable(f"interpolates by {mode}")
    low = np.floor(at)
    part = (at - low).astype(f32)
    if mode == "linear":
        part = (np.clip(at, 0, size - 1) - np.clip(low, 0, size - 1)).astype(f32)
        taps = {0: 1 - part, 1: part}
    else:
        taps = _cubic(part, node.attr("cubic_coeff_a", -0.75))
    index = {k: (low + k).astype(np.int64) for k in taps}
    if mode == "cubic" and node.attr("exclude_outside", 0):
        taps = {k: np.where((index[k] >= 0) & (index[k] < size), w, 0) for k, w in taps.items()}
        total = np.sum(list(taps.values()), axis=0)
        taps = {k: w / total for k, w in taps.items()}
    for k, w in taps.items():
        np.add.at(matrix, (rows, np.clip(index[k], 0, size - 1)), w)
    return matrix


def _places(mode: str, size: int, out: int, scale: np.float32) -> np.ndarray:
    """Where each place of the result lies in the image, computed in float32 as the runtimes do."""
    x = np.arange(out, dtype=f32)
    if mode == "asymmetric":
        return x / scale
    if mode == "align_corners":
        return x * f32(size - 1) / f32(out - 1) if out > 1 else x * 0
    if mode == "half_pixel_symmetric":
        half = f32(size / 2) * f32(1 - out / (size * float(scale)))
        return half + (x + f32(0.5)) / scale - f32(0.5)
    if mode == "pytorch_half_pixel" and out == 1:
        return x * 0
    if mode in ("half_pixel", "pytorch_half_pixel"):
        return (x + f32(0.5)) / scale - f32(0.5)
    raise Unsayable(f"takes its coordinates by {mode}")


def _rounded(at: np.ndarray, mode: str) -> np.ndarray:
    ways = {
        "floor": np.floor(at),
        "ceil": np.ceil(at),
        "round_prefer_floor": np.ceil(at - f32(0.5)),
        "round_prefer_ceil": np.floor(at + f32(0.5)),
    }
    return ways[mode].astype(np.int64)


def _cubic(t: np.ndarray, a: float) -> dict[int, np.ndarray]:
    """The four weights of a cubic convolution, by their distance from the place before t."""

    def near(x: np.ndarray) -> np.ndarray:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: np.ndarray) -> np.ndarray:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return {-1: far(1 + t), 0: near(t), 1: near(1 - t), 2: far(2 - t)}
