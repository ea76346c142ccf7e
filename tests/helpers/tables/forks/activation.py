"""Layers of the forks that work value by value."""

from __future__ import annotations

import numpy as np

from tests.helpers.tables.forks.formula import Formula

EDGES = np.array([-30.0, -7, -3, -1.5, -0.25, 0, 0.5, 2.75, 3, 6, 6.5, 30])


def activations() -> list[Formula]:
    x = EDGES.reshape(1, 3, 2, 2)
    slope = np.where(x > 0, x, 0.125 * x)
    return [
        Formula("HardSwish", "", [x], [x * np.clip(x + 3, 0, 6) / 6]),
        Formula("Mish", "", [x], [x * np.tanh(np.log1p(np.exp(x)))]),
        Formula("NegReLU", "", [x], [np.minimum(x, 0)]),
        Formula("NegReLU", "relu_param { negative_slope: 0.125 }", [x], [np.minimum(x, 0) + 0.125 * np.maximum(x, 0)]),
        Formula("ReLU6", "relu6_param { n: 5 }", [x], [np.clip(x, 0, 5)]),
        Formula("ReLU6", "relu6_param { negative_slope: 0.125 }", [x], [np.minimum(slope, 6)]),
        Formula("ReLU6", "relu_param { negative_slope: 0.125 }", [x], [np.minimum(slope, 6)]),
    ]


ACTIVATION = activations()
