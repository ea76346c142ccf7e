"""Layers of the forks that reduce, drop or move values."""

from __future__ import annotations

import numpy as np

from tests.helpers.tables.forks.formula import Formula, some


def reductions() -> list[Formula]:
    x = some(2, 3, 4, 5)
    largest = np.sort(x, 1)[:, 1:].mean(1, keepdims=True)

    def reduced(words: str, top: np.ndarray, params: str = "") -> Formula:
        return Formula(
            "BatchReduction", f"batch_reduction_param {{ {params} reduction_param {{ {words} }} }}", [x], [top]
        )

    return [
        reduced("axis: 1 operation: MEAN", x.mean(1, keepdims=True)),
        reduced("axis: 1 operation: MEAN", x.mean(1, keepdims=True), "level: 1"),
        reduced("", x.sum(0, keepdims=True)),
        reduced("axis: -1 operation: ASUM coeff: 0.5", 0.5 * np.abs(x).sum(3, keepdims=True)),
        reduced("axis: 2 operation: SUMSQ", (x**2).sum(2, keepdims=True)),
        reduced("axis: 1 operation: TOPK k: 2", largest),
        Formula("SegConsensus", "", [x], [x.mean(1, keepdims=True)]),
    ]


def dropouts() -> list[Formula]:
    x = some(2, 3)
    return [
        Formula("Dropout", "dropout_param { dropout_ratio: 0.25 scale_train: false }", [x], [0.75 * x]),
        Formula("Dropout", "dropout_param { dropout_ratio: 0.25 scale_train: true }", [x], [x]),
        Formula("Dropout", "dropout_param { dropout_ratio: 0 sample_weights_test: true }", [x], [x]),
    ]


def scaled() -> list[Formula]:
    x = some(2, 3)
    return [
        Formula("Eltwise", "eltwise_param { operation: SUM coeff: 0.25 }", [x], [0.25 * x]),
        Formula("Eltwise", "reshape_every_iter: false eltwise_param { coeff: -1 }", [x], [-x]),
    ]


UTILITY = [*reductions(), *dropouts(), *scaled()]
