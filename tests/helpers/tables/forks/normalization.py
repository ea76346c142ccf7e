"""The normalisations of the forks."""

from __future__ import annotations

import numpy as np

from tests.helpers.tables.forks.formula import Formula, by_channel, some
from tests.helpers.tables.layers import Array

C = 3


def normalized(
    x: Array, mean: Array, variance: Array, eps: float, weight: Array | None = None, bias: Array | None = None
) -> Array:
    y = (x - by_channel(mean, x)) / np.sqrt(by_channel(variance, x) + eps)
    y = y if weight is None else y * by_channel(weight, x)
    return y if bias is None else y + by_channel(bias, x)


def batch_norms() -> list[Formula]:
    x = some(2, C, 4, 5)
    mean, variance, weight, bias = some(C), some(C, low=0.5), some(C), some(C)
    two, one = np.array([2.0]), np.array([1.0])
    own, scaled = [mean, variance, two], normalized(x, mean, variance, 0.001, weight, bias)
    plain = normalized(x, mean / 2, variance / 2, 0.001)
    made = by_channel(weight, x) * plain + by_channel(bias, x)
    eps = "eps: 0.001"
    here = normalized(x, x.mean((0, 2, 3)), x.var((0, 2, 3)), 0.001)  # by the batch's own statistics
    batch = by_channel(weight, x) * here + by_channel(bias, x)
    cases = [
        ("scale_bias: true use_global_stats: false", [mean, variance, two, weight, bias], batch),
        ("use_weight_bias: true use_global_stats: false", [*own, weight, bias], batch),
        ("relu: true use_global_stats: false", [*own, weight, bias], np.maximum(batch, 0)),
        ("scale_bias: true", [mean, variance, two, weight, bias], scaled),  # the third is not read
        ("scale_filler { value: 1 } bias_filler { value: 0 }", [mean, variance, one, weight, bias], scaled),
        ("", [mean, variance, two, weight, bias], scaled),  # the blobs alone show whose it is
        ("", [weight, bias, mean, variance, one], scaled),
        ("scale_bias: true", [weight, bias, mean, variance, one], scaled),
        ("scale_bias: false", own, plain),
        ("disable_mean: true", own, normalized(x, mean * 0, variance / 2, 0.001)),
        ("disable_variance: true", own, x - by_channel(mean / 2, x)),
        ("disable_mean: true disable_variance: true", own, x),
        ("use_weight_bias: true", [*own, weight, bias], made),
        ("relu: true", [*own, weight, bias], np.maximum(made, 0)),
        ("use_weight_bias: true bias_term: false", [*own, weight], by_channel(weight, x) * plain),
        ("use_weight_bias: false relu: true", own, np.maximum(plain, 0)),
    ]
    found = [
        Formula("BatchNorm", f"batch_norm_param {{ {words} {eps} }}", [x], [y], blobs) for words, blobs, y in cases
    ]
    for given in (some(4, C), some(2, C, 2, 3, 2)):
        y = np.maximum(normalized(given, mean / 2, variance / 2, 0.001, weight, bias), 0)
        found.append(
            Formula("BatchNorm", f"batch_norm_param {{ relu: true {eps} }}", [given], [y], [*own, weight, bias])
        )
    less = (variance * 1e-5).astype(np.float32).astype(np.float64)
    small = normalized(x, mean, less, 1e-5, weight, bias)
    blobs = [mean, less, two, weight, bias]
    found.append(Formula("BatchNorm", "batch_norm_param { scale_bias: true eps: 1e-9 }", [x], [small], blobs))
    for words in ("cudnn_batch_norm_param { eps: 0.001 use_global_stats: true }", "batch_norm_param { eps: 0.001 }"):
        found.append(Formula("CuDNNBatchNorm", words, [x], [scaled], [weight, bias, mean, variance]))
    vector = some(4, C)
    blobs = [weight, bias, mean, variance]
    own_batch = "cudnn_batch_norm_param { eps: 0.001 use_global_stats: false }"
    found.append(Formula("CuDNNBatchNorm", own_batch, [x], [batch], blobs))
    for given in (x, vector):
        y = normalized(given, mean, variance, 1e-5, weight, bias)
        found.append(Formula("CuDNNBatchNorm", "", [given], [y], blobs))
    return found


def bns() -> list[Formula]:
    x = some(2, C, 4, 5)
    slope, bias, mean, variance = (some(1, C, 1, 1, low=0.25) for _ in range(4))
    four, two = [slope, bias, mean, variance], [slope, bias]
    batch = (x - x.mean((0, 2, 3), keepdims=True)) / np.sqrt(x.var((0, 2, 3), keepdims=True) + 1e-9)
    return [
        Formula(
            "BN", "bn_param { eps: 0.01 frozen: true }", [x], [normalized(x, mean, variance, 0.01, slope, bias)], four
        ),
        Formula("BN", "", [x], [normalized(x, mean, variance, 1e-5, slope, bias)], four),
        Formula("BN", "bn_param { bn_mode: INFERENCE }", [x], [x * slope + bias], two),
        Formula("BN", "bn_param { scale_filler { value: 1 } }", [x], [batch * slope + bias], two),
        Formula("BN", "", [x], [batch * slope + bias], two),
        Formula("BN", "bn_param { bn_mode: LEARN }", [x[:1, :, :1, :1]], [bias], two),  # nothing is left of one value
    ]


NORMALIZATION = [*batch_norms(), *bns()]
