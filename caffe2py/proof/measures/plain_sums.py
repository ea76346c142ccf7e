"""What the reference's own float32 arithmetic can have lost: the layers whose sums grow long, added up as Caffe does.

A float32 sum of n terms in one loop rounds n times, each time by up to half a unit in the last place of the sum so far.
Where the terms vary these errors are independent: their root mean square is below sqrt(n) / 3 * 2^-24 of the sum of
|terms|, which the ordinary bar allows (`measure.Bars`). Where the terms are alike, as on a flat map or under a uniform
softmax, the loop rounds the same way over and over, and loses up to n / 4 * 2^-24. No formula tells the one
from the other; running the loop does. So it is run, on the very values that the layer reads, in float32 and in
float64, and the difference of the two is what a plain loop loses there. How each type adds up in Caffe 1.0 (files of
src/caffe/layers; gemv, gemm, dot and asum are BLAS, where no library does worse than one loop):

- Pooling AVE, of two axes or three, SPP AVE (pooling_layer.cpp, Forward_cpu): one loop over each window.
- Softmax (softmax_layer.cpp): x - max, exp, gemv with ones over the classes, a division.
- SoftmaxWithLoss (softmax_loss_layer.cpp), SigmoidCrossEntropyLoss (sigmoid_cross_entropy_loss_layer.cpp): the losses
  of all places in one loop.
- LRN across channels (lrn_layer.cpp, CrossChannelForward_cpu): a running sum along the channels, which the next square
  is added to and the last one taken from, so that what one step loses stays; within channels: Pooling AVE of squares.
- MVN (mvn_layer.cpp), BatchNorm and SegNet's BN with the batch's statistics (batch_norm_layer.cpp): gemv with ones over
  each map, then over the samples, of x and of (x - mean)^2.
- Normalize (normalize_layer.cpp of SSD's fork): the squares of a vector by gemv or asum.
- Reduction (reduction_layer.cpp): dot with ones, asum, dot with itself.

Not here, for the ordinary bar covers them: Convolution, Deconvolution, InnerProduct, LSTM and RNN multiply by gemm,
whose terms vary with the weights and which adds up in blocks; all others add up a few terms (Eltwise, Scale, Axpy) or
none. A loop is the worst that a float32 runtime does: sums in blocks, in trees or in vectors lose less.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from caffe2py.graph import Node
from caffe2py.layers.base import Layer, axis, count, four
from caffe2py.layers.loss.sigmoid_cross_entropy_loss import SigmoidCrossEntropyLoss
from caffe2py.layers.loss.softmax_with_loss import SoftmaxWithLoss
from caffe2py.layers.normalization.batch_norm import BatchNorm
from caffe2py.layers.normalization.bn import BatchBN
from caffe2py.layers.normalization.lrn import LRN
from caffe2py.layers.normalization.mvn import MVN
from caffe2py.layers.normalization.normalize import Lengths
from caffe2py.layers.utility.reduction import Reduction
from caffe2py.layers.utility.softmax import Softmax
from caffe2py.layers.vision.pooling import Pooling
from caffe2py.layers.vision.pooling_nd import PoolingNd
from caffe2py.layers.vision.spp import SPP

Arrays = Sequence[np.ndarray]
FEW = 64  # values of a top from which one run of the loop tells how much it loses
SHIFTS = tuple(0.0117 * k for k in range(8))  # by which other draws are larger: a flat map rounds otherwise


def sums(node: Node, phase: str) -> bool:
    """Does this layer add up in a way that is run here?"""
    layer: Any = node.layer
    if isinstance(layer, BatchNorm):
        return not layer.uses_stored(phase)
    if isinstance(layer, BatchBN):
        return layer.mode != "INFERENCE"
    return loop_of(node) is not None and getattr(layer, "pool", "AVE") == "AVE"


def loop_of(node: Node) -> Callable[..., list[np.ndarray]] | None:
    """The loop of a layer's class, or of one that it is derived from."""
    return next((loop for kind, loop in LOOPS.items() if isinstance(node.layer, kind)), None)


def plain(node: Node, bottoms: Arrays, dtype: Any = np.float32) -> list[np.ndarray]:
    """The tops of such a layer, added up in plain loops of `dtype`."""
    loop = loop_of(node)
    assert loop is not None
    with np.errstate(all="ignore"):
        tops = loop(node.layer, *[np.asarray(b).astype(dtype) for b in bottoms])
        weights = {w.name: np.asarray(w.data, dtype) for w in node.weights if w.data is not None}
        scale = weights.get("scale") if isinstance(node.layer, BatchBN | Lengths) else None
        return tops if scale is None else [_scaled(tops[0], scale), *tops[1:]]


def lost(node: Node, bottoms: Arrays) -> list[np.ndarray]:
    """What plain float32 loops lose at each value of the tops: float32 less float64, on the same values.

    Few values may by chance lose little: of them each gets the most that it loses in several draws, which are the
    same bottoms made a little larger.
    """
    worst: list[np.ndarray] = []
    for shift in SHIFTS:
        fed = [np.asarray(bottoms[0], np.float32) * np.float32(1 + shift), *bottoms[1:]]
        pairs = zip(plain(node, fed), plain(node, fed, np.float64), strict=True)
        apart = [np.nan_to_num(a.astype(np.float64) - b, nan=0.0, posinf=0.0, neginf=0.0) for a, b in pairs]
        worst = [np.where(np.abs(a) > np.abs(w), a, w) for a, w in zip(apart, worst or apart, strict=True)]
        if sum(w.size for w in worst) >= FEW:
            break
    return worst


def _sum(x: np.ndarray) -> np.ndarray:
    """The sum over the last axis, one term after another."""
    total: np.ndarray = np.cumsum(x, axis=-1, dtype=x.dtype)[..., -1] if x.shape[-1] else x.sum(-1)
    return total


def _rows(x: np.ndarray, lead: int) -> np.ndarray:
    """The axes from `lead` on as one."""
    return x.reshape(*x.shape[:lead], count(x.shape, lead))


def _exactly(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    """A function rounded once, as good C libraries have it."""
    return function(x.astype(np.float64)).astype(x.dtype)


def _scaled(top: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """By one number, or one for each channel. A shift is none of a sum's business."""
    return top * scale.reshape(-1, *[1] * (top.ndim - 2))


def _pooling(layer: Any, x: np.ndarray) -> list[np.ndarray]:
    kernel, stride, pad = layer.window(x.shape)
    sizes = layer.sized(x.shape)
    ends = [(n - 1) * s + k for n, s, k in zip(sizes, stride, kernel, strict=True)]
    places = np.zeros((*x.shape[:2], *ends), x.dtype)  # to add a 0 loses nothing
    inside = [min(n, e - p) for n, e, p in zip(x.shape[2:], ends, pad, strict=True)]
    all_ = (slice(None), slice(None))
    middle = (*all_, *(slice(p, p + n) for p, n in zip(pad, inside, strict=True)))
    places[middle] = x[(*all_, *map(slice, inside))]
    if math.prod(sizes) == 1:
        total = _sum(_rows(places, 2)).reshape(*x.shape[:2], *sizes)
    else:
        total = np.zeros((*x.shape[:2], *sizes), x.dtype)
        for place in np.ndindex(*kernel):
            spans = zip(place, ends, kernel, stride, strict=True)
            total += places[(*all_, *(slice(at, e - k + at + 1, s) for at, e, k, s in spans))]
    divisor = np.ones((), x.dtype)
    for n, k, s, p, size in zip(sizes, kernel, stride, pad, x.shape[2:], strict=True):
        start = np.arange(n) * s - p
        divisor = np.multiply.outer(divisor, np.minimum(start + k, size + p) - start).astype(x.dtype)
    return [total / divisor]


def _spp(layer: Any, x: np.ndarray) -> list[np.ndarray]:
    pools = [_pooling(level, x)[0] for level in layer.levels(x.shape)]
    return pools if len(pools) == 1 else [np.concatenate([_rows(p, 1) for p in pools], 1)]


def _softmax(layer: Any, x: np.ndarray) -> list[np.ndarray]:
    at = axis(layer.axis, x.shape)
    powers = _exactly(np.exp, x - x.max(at, keepdims=True, initial=-np.inf))
    return [powers / np.expand_dims(_sum(np.moveaxis(powers, at, -1)), at)]


def _softmax_loss(layer: Any, x: np.ndarray, label: np.ndarray) -> list[np.ndarray]:
    (p,) = _softmax(layer, x)
    at = axis(layer.axis, x.shape)
    labels = label.reshape(*x.shape[:at], 1, *x.shape[at + 1 :]).astype(np.int64)
    chosen = np.take_along_axis(p, np.clip(labels, 0, x.shape[at] - 1), at)
    losses = -_exactly(np.log, np.maximum(chosen, np.finfo(np.float32).tiny))
    return [_mean(layer, losses, labels, count(x.shape, 0, at)), p][: layer.outputs]


def _sigmoid_loss(layer: Any, x: np.ndarray, label: np.ndarray) -> list[np.ndarray]:
    t = label.reshape(x.shape)
    rest = _exactly(np.log, 1 + _exactly(np.exp, -np.abs(x)))
    return [_mean(layer, np.maximum(x, 0) - x * t + rest, t.astype(np.int64), len(x))]


def _mean(layer: Any, losses: np.ndarray, labels: np.ndarray, samples: int) -> np.ndarray:
    counted = np.ones(labels.shape, bool) if layer.ignore_label is None else labels != layer.ignore_label
    number = {"FULL": losses.size, "VALID": counted.sum(), "BATCH_SIZE": samples, "NONE": 1}[layer.normalization]
    total = _sum(np.where(counted, losses, 0).astype(losses.dtype).ravel())
    return np.asarray(total / losses.dtype.type(max(number, 1)))


def _lrn(layer: Any, x: np.ndarray) -> list[np.ndarray]:
    n, kind = layer.local_size, x.dtype.type
    if layer.norm_region == "WITHIN_CHANNEL":
        window = Pooling("AVE", (n, n), (1, 1), (n // 2, n // 2))  # type: ignore[call-arg]
        scale = 1 + kind(layer.alpha) * _pooling(window, x * x)[0]
    else:
        before = n // 2
        squares = np.pad(x * x, ((0, 0), (before, n - 1 - before), (0, 0), (0, 0))) * kind(layer.alpha / n)
        scale = np.empty_like(x)
        total = np.full_like(x[:, 0], layer.k)
        for c in range(n - 1):
            total += squares[:, c]
        for c in range(x.shape[1]):
            total += squares[:, c + n - 1]
            total -= squares[:, c - 1] if c else 0
            scale[:, c] = total
    return [x * _exactly(lambda s: s**-layer.beta, scale)]


def _mvn(layer: Any, x: np.ndarray) -> list[np.ndarray]:
    rows = _rows(x, x.ndim - len(layer.axes(x.shape)))
    centred = rows - _average(rows)
    if layer.normalize_variance:
        centred = centred / (np.sqrt(_average(centred * centred)) + x.dtype.type(layer.eps))
    return [centred.reshape(*x.shape, *[1] * (4 - x.ndim))]


def _batch_norm(layer: Any, x: np.ndarray) -> list[np.ndarray]:
    rows = _rows(x, 2)

    def over_all(values: np.ndarray) -> np.ndarray:
        maps = _sum(values) * x.dtype.type(1 / max(len(x) * values.shape[2], 1))
        return _sum(maps.T)[None, :, None]

    centred = rows - over_all(rows)
    return [(centred / np.sqrt(over_all(centred * centred) + x.dtype.type(layer.eps))).reshape(x.shape)]


def _bn(layer: Any, x: np.ndarray) -> list[np.ndarray]:
    return _batch_norm(BatchNorm(eps=1e-9), x)  # type: ignore[call-arg]


def _normalize(layer: Any, x: np.ndarray) -> list[np.ndarray]:
    x = x.reshape(four(x.shape))
    if len(layer.axes()) > 1:
        total = _sum(np.square(_rows(x, 1)))[:, None, None, None]
    else:
        total = _sum(np.moveaxis(np.square(x), 1, -1))[:, None]
    length = np.sqrt(total + x.dtype.type(layer.eps))
    return [x / length, length][: getattr(layer, "outputs", 1)]


def _average(rows: np.ndarray) -> np.ndarray:
    return _sum(rows)[..., None] * rows.dtype.type(1 / max(rows.shape[-1], 1))


def _reduction(layer: Any, x: np.ndarray) -> list[np.ndarray]:
    rows = _rows(x, axis(layer.axis, x.shape))
    terms = {"ASUM": np.abs, "SUMSQ": np.square}.get(layer.operation, np.asarray)(rows)
    coeff = layer.coeff / max(rows.shape[-1], 1) if layer.operation == "MEAN" else layer.coeff
    return [np.asarray(_sum(terms) * x.dtype.type(coeff))]


LOOPS: Mapping[type[Layer], Callable[..., list[np.ndarray]]] = {
    BatchBN: _bn,
    BatchNorm: _batch_norm,
    LRN: _lrn,
    Lengths: _normalize,
    MVN: _mvn,
    Pooling: _pooling,
    PoolingNd: _pooling,
    Reduction: _reduction,
    SPP: _spp,
    SigmoidCrossEntropyLoss: _sigmoid_loss,
    Softmax: _softmax,
    SoftmaxWithLoss: _softmax_loss,
}
