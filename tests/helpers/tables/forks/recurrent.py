"""CTPN's Lstm, sequence by sequence as its code for a CPU walks."""

from __future__ import annotations

import numpy as np

from tests.helpers.tables.forks.formula import Formula, some
from tests.helpers.tables.layers import Array


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def walked(x: Array, cont: Array | None, weight_x: Array, weight_h: Array, bias: Array) -> Array:
    steps, samples, size = *x.shape[:2], weight_h.shape[1]
    top, memory = np.zeros((steps, samples, size)), np.zeros((samples, size))
    for t in range(steps):
        of_first = weight_h @ top[t - 1, 0] if t else np.zeros(4 * size)  # it is never moved on to the next sample
        for n in range(samples):
            goes_on = t > 0 if cont is None else bool(cont[t, n])
            gates = weight_x @ x[t, n] + bias + (of_first if goes_on else 0.0)
            i, f, o, g = gates.reshape(4, size)
            kept = sigmoid(f) * memory[n] if goes_on else 0.0
            memory[n] = kept + sigmoid(i) * np.tanh(g)
            top[t, n] = sigmoid(o) * np.tanh(memory[n])
    return top


def lstms() -> list[Formula]:
    x, blobs = some(5, 3, 2), [some(16, 2), some(16, 4), some(16)]
    cont = np.array([[0, 0, 0], [1, 1, 0], [1, 0, 1], [2, 1, 1], [1, 1, 0]], float)
    params = "lstm_param { num_output: 4 clipping_threshold: 5 }"
    return [
        Formula("Lstm", params, [x], [walked(x, None, *blobs)], blobs),
        Formula("Lstm", params, [x, cont], [walked(x, cont, *blobs)], blobs),
        Formula("Lstm", params, [x[:, :1]], [walked(x[:, :1], None, *blobs)], blobs),
    ]


RECURRENT = lstms()
