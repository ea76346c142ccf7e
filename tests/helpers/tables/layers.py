"""Layers that work value by value, that sort, reduce or select: the rules of Caffe's sources once more, in numpy."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Table:
    """One layer: its type, parameters and bottoms, and what it makes of them."""

    id: str
    type: str
    params: str
    bottoms: Sequence[Array]
    tops: Sequence[Array]
    gradients: Sequence[Array] | None = None  # of each bottom, for the top diff `diff(top)`


def net(type_: str, params: str, shapes: Sequence[tuple[int, ...]], tops: int = 1) -> str:
    """A net of inputs x0, x1, ... and one layer."""
    lines = ['name: "table"']
    for i, shape in enumerate(shapes):
        dims = " ".join(f"dim: {d}" for d in shape)
        lines.append(f'layer {{ name: "x{i}" type: "Input" top: "x{i}" input_param {{ shape {{ {dims} }} }} }}')
    words = [f'bottom: "x{i}"' for i in range(len(shapes))] + [f'top: "y{i}"' for i in range(tops)]
    return "\n".join([*lines, f'layer {{ name: "y" type: "{type_}" {" ".join(words)} {params} }}'])


def values(*shape: int, seed: int = 3) -> Array:
    return np.random.RandomState(seed).uniform(-2, 2, shape)


def diff(top: Array) -> Array:
    """What is fed to the backward pass."""
    return np.random.RandomState(11).uniform(-1, 1, top.shape)


def elementwise(
    id_: str, type_: str, params: str, x: Array, top: Callable[[Array], Array], slope: Callable[[Array], Array] | None
) -> Table:
    """A layer that works value by value; `slope` is its derivative, None where Caffe has no backward pass."""
    y = top(x)
    return Table(id_, type_, params, [x], [y], None if slope is None else [slope(x) * diff(y)])


EDGES = np.array([-60.0, -2.0, -0.5, -0.0, 0.0, 0.25, 0.7, 1.0, 30.0, 60.0])


def neurons() -> list[Table]:
    def sigmoid(x: Array) -> Array:
        return 1 / (1 + np.exp(-x))

    low, high = -0.5, 0.25  # floats that are exact in binary, so that an edge is an edge
    return [
        elementwise("at 0", "AbsVal", "", EDGES, np.abs, np.sign),
        elementwise("a scalar", "AbsVal", "", np.array(-1.5), np.abs, np.sign),
        elementwise("far out", "BNLL", "", EDGES, lambda x: np.logaddexp(x, 0), sigmoid),
        elementwise(
            "edges pass",
            "Clip",
            f"clip_param {{ min: {low} max: {high} }}",
            EDGES,
            lambda x: np.maximum(low, np.minimum(x, high)),
            lambda x: ((x >= low) & (x <= high)) * 1.0,
        ),
        elementwise(
            "at 0",
            "ELU",
            "elu_param { alpha: 0.5 }",
            EDGES,
            lambda x: np.maximum(x, 0) + 0.5 * np.expm1(np.minimum(x, 0)),
            lambda x: np.where(x > 0, 1.0, 0.5 * np.exp(np.minimum(x, 0))),
        ),
        elementwise(
            "no negative part",
            "ELU",
            "elu_param { alpha: 0 }",
            EDGES,
            lambda x: np.maximum(x, 0),
            lambda x: (x > 0) * 1.0,
        ),
        elementwise("a vector", "TanH", "", EDGES, np.tanh, lambda x: 1 - np.tanh(x) ** 2),
        elementwise(
            "negative beta",
            "Swish",
            "swish_param { beta: -0.5 }",
            EDGES[1:9],
            lambda x: x * sigmoid(-0.5 * x),
            lambda x: sigmoid(-0.5 * x) * (1 - 0.5 * x * (1 - sigmoid(-0.5 * x))),
        ),
        elementwise(
            "beta 0", "Swish", "swish_param { beta: 0 }", EDGES, lambda x: x / 2, lambda x: np.full_like(x, 0.5)
        ),
        elementwise(
            "strict", "Threshold", "threshold_param { threshold: 0.25 }", EDGES, lambda x: (x > 0.25) * 1.0, None
        ),
        elementwise(
            "negative", "Threshold", "threshold_param { threshold: -0.5 }", EDGES, lambda x: (x > -0.5) * 1.0, None
        ),
    ]


def powers() -> list[Table]:
    x = values(2, 3, 5)
    p = np.abs(x) + 0.5
    found = []
    for power, scale, shift in [(0, 2, 1), (3, 0, 2), (-1, 0, 2), (0, 0, 0), (2, 0, -3)]:
        params = f"power_param {{ power: {power} scale: {scale} shift: {shift} }}"
        constant = 1.0 if power == 0 else float(shift) ** power
        found.append(elementwise(params, "Power", params, x, lambda x, c=constant: np.full_like(x, c), np.zeros_like))
    for power, scale, shift in [(1, 1, 0), (1, -2, 0.5), (2, 1, 0), (3, 0.5, -1), (1, 1, 3)]:
        params = f"power_param {{ power: {power} scale: {scale} shift: {shift} }}"
        found.append(
            elementwise(
                params,
                "Power",
                params,
                x,
                lambda x, a=power, b=scale, c=shift: (c + b * x) ** a,
                lambda x, a=power, b=scale, c=shift: a * b * (c + b * x) ** (a - 1),
            )
        )
    for power, scale, shift in [(0.5, 1, 0), (-0.75, 2, 1), (-2, 0.5, 0), (1.5, 3, 0.25)]:
        params = f"power_param {{ power: {power} scale: {scale} shift: {shift} }}"
        found.append(
            elementwise(
                params,
                "Power",
                params,
                p,
                lambda x, a=power, b=scale, c=shift: (c + b * x) ** a,
                lambda x, a=power, b=scale, c=shift: a * b * (c + b * x) ** (a - 1),
            )
        )
    for base, scale, shift in [
        (-1, 1, 0),
        (-1, 0.5, 2),
        (2, 1, 0),
        (2, -0.5, 1),
        (0.5, 2, -1),
        (10, 0.25, 0),
        (1, 2, 3),
    ]:
        words = f"{{ base: {base} scale: {scale} shift: {shift} }}"
        e = math.e if base == -1 else base
        found.append(
            elementwise(
                f"exp_param {words}",
                "Exp",
                f"exp_param {words}",
                x,
                lambda x, e=e, b=scale, c=shift: np.exp(math.log(e) * (c + b * x)),
                lambda x, e=e, b=scale, c=shift: math.log(e) * b * np.exp(math.log(e) * (c + b * x)),
            )
        )
        if base != 1 and scale > 0 and shift >= 0:
            found.append(
                elementwise(
                    f"log_param {words}",
                    "Log",
                    f"log_param {words}",
                    p,
                    lambda x, e=e, b=scale, c=shift: np.log(c + b * x) / math.log(e),
                    lambda x, e=e, b=scale, c=shift: b / (c + b * x) / math.log(e),
                )
            )
    return found


def arg_max() -> list[Table]:
    tied = np.array([[3.0, 1, 3, 2, 3, 1], [0, 0, 0, 0, 0, 0], [-1, 5, 5, 5, -1, 5], [1, 2, 3, 4, 5, 6]])
    found = []
    for shape, top_k, both in itertools.product([(4, 6), (4, 3, 2), (4, 2, 3, 1), (4, 1, 2, 3, 1)], [1, 4, 6], [0, 1]):
        x = tied.reshape(shape)
        top = np.array([_largest(row, top_k) for row in tied]).transpose(0, 2, 1)  # (sample, index or value, rank)
        top = (top if both else top[:, :1]).reshape(4, 2 if both else 1, top_k, *(1,) * (len(shape) - 3))
        params = f"argmax_param {{ top_k: {top_k} out_max_val: {'true' if both else 'false'} }}"
        found.append(Table(f"{len(shape)} axes {params}", "ArgMax", params, [x], [top]))
    x = np.random.RandomState(5).randint(0, 3, (3, 4, 5)).astype(float)
    for axis, top_k, value in itertools.product([0, 1, 2, -1, -3], [1, 3], [0, 1]):
        pick = np.apply_along_axis(lambda v, k=top_k, w=value: np.array(_largest(v, k))[:, w], axis, x)
        params = f"argmax_param {{ axis: {axis} top_k: {top_k} out_max_val: {'true' if value else 'false'} }}"
        found.append(Table(params, "ArgMax", params, [x], [pick]))
    found.append(Table("one axis", "ArgMax", "", [tied[:, 0]], [np.zeros((4, 1, 1))]))
    return found


def _largest(row: Array, k: int) -> list[tuple[int, float]]:
    """Caffe sorts (value, index) downwards."""
    order = sorted(((value, index) for index, value in enumerate(row)), reverse=True)
    return [(index, value) for value, index in order[:k]]


def reductions() -> list[Table]:
    x = values(2, 3, 5, 4)
    x[0, 0, 0, :2] = 0, -0.0
    found = []
    for (name, terms), axis, coeff in itertools.product(
        {"SUM": lambda v: v, "ASUM": np.abs, "SUMSQ": np.square, "MEAN": lambda v: v}.items(),
        [0, 1, 2, 3, -1, -2, -4],
        [1, -0.5],
    ):
        start = axis % 4
        size = x[0].size * 2 // math.prod(x.shape[:start])
        factor = coeff / size if name == "MEAN" else coeff
        y = np.asarray(factor * terms(x).sum(tuple(range(start, 4))))
        slope = {"ASUM": np.sign(x), "SUMSQ": 2 * x}.get(name, np.ones_like(x))
        dx = factor * slope * diff(y).reshape(*y.shape, *[1] * (4 - start))
        params = f"reduction_param {{ operation: {name} axis: {axis} coeff: {coeff} }}"
        found.append(Table(params, "Reduction", params, [x], [y], [dx]))
    v = values(5)
    found.append(Table("a vector", "Reduction", "", [v], [np.asarray(v.sum())], [np.full(5, diff(np.zeros(())))]))
    return found


def selections() -> list[Table]:
    x = values(5, 3, 2)
    picks = np.array([4.0, 0, 4, 2.9])  # an index is cut to an integer
    y = x[[4, 0, 4, 2]]
    dx = np.zeros_like(x)
    np.add.at(dx, [4, 0, 4, 2], diff(y))
    found = [Table("cut and repeated", "BatchReindex", "", [x, picks], [y], [dx, np.zeros(4)])]
    found.append(Table("one axis", "BatchReindex", "", [x[:, 0, 0], picks], [x[[4, 0, 4, 2], 0, 0]]))

    keep = np.array([0.0, -0.5, 0, 2, 1])
    z = values(5, seed=4)
    dx = np.zeros_like(x)
    dx[[1, 3, 4]] = diff(x[[1, 3, 4]])
    found.append(Table("a vector of selectors", "Filter", "", [x, keep], [x[[1, 3, 4]]], [dx, np.zeros(5)]))
    found.append(Table("two bottoms", "Filter", "", [x, z, keep.reshape(5, 1)], [x[[1, 3, 4]], z[[1, 3, 4]]]))
    found.append(Table("none kept", "Filter", "", [x, np.zeros(5)], [x[:0]]))

    for axis, tiles in itertools.product([0, 1, 2, -1, -3], [1, 4]):
        reps = [tiles if i == axis % 3 else 1 for i in range(3)]
        y = np.tile(x, reps)
        parts = np.split(diff(y), tiles, axis)
        params = f"tile_param {{ axis: {axis} tiles: {tiles} }}"
        found.append(Table(params, "Tile", params, [x], [y], [np.sum(parts, 0)]))

    image, like = values(3, 4, 8, 9), np.zeros((2, 3, 5, 6))
    for params, cut in {
        "crop_param { axis: 1 offset: 1 }": np.s_[:, 1:4, 1:6, 1:7],
        "crop_param { axis: 1 offset: 0 offset: 2 offset: 3 }": np.s_[:, 0:3, 2:7, 3:9],
        "crop_param { axis: -1 offset: 2 }": np.s_[:, :, :, 2:8],
        "crop_param { axis: 0 }": np.s_[:2, :3, :5, :6],
        "crop_param { axis: 0 offset: 1 offset: 0 offset: 3 offset: 2 }": np.s_[1:3, 0:3, 3:8, 2:8],
        "crop_param { axis: 2 offset: 3 }": np.s_[:, :, 3:8, 3:9],
    }.items():
        dx = np.zeros_like(image)
        dx[cut] = diff(image[cut])
        found.append(Table(params, "Crop", params, [image, like], [image[cut]], [dx, np.zeros_like(like)]))
    found.append(
        Table(
            "two axes",
            "Crop",
            "crop_param { axis: 1 offset: 1 }",
            [x[:, :, 0], z[:4, None] * np.ones((1, 2))],
            [x[:, 1:3, 0]],
        )
    )
    return found
