"""Mistakes whose size the values themselves tell: a slope, an eps, one weight. Each is solved for, then tried."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from caffe2py.graph import Node
from caffe2py.layers.vision.spatial import spread
from caffe2py.proof.diagnosis.suspects import Variant, blob_named, differs, with_blob, with_fields
from caffe2py.proof.dumps.sample import Sample, Top

FEWEST = 8  # places from which a number is solved
LINE = 3  # points of one channel that a line is laid through
MOST_ROWS = 512  # places at which one weight is looked for


@dataclass(frozen=True)
class Points:
    """The places of a top that the reference tells, with the channel of each."""

    index: np.ndarray
    value: np.ndarray
    channel: np.ndarray

    @classmethod
    def of(cls, target: Top, axis: int = 1) -> Points:
        """Every place of a whole reference, the sampled places of a sample; `axis` is that of the channels."""
        shape = tuple(target.shape)
        whole = not isinstance(target, Sample)
        index = np.arange(math.prod(shape)) if whole else target.index  # type: ignore[union-attr]
        value = np.asarray(target).ravel() if whole else target.value  # type: ignore[union-attr]
        inner, channels = math.prod(shape[axis + 1 :]), shape[axis] if len(shape) > axis else 1
        return cls(index, value.astype(np.float64), index // max(inner, 1) % max(channels, 1))

    def at(self, array: np.ndarray) -> np.ndarray:
        return array.reshape(-1)[self.index].astype(np.float64)


def channel_axis(node: Node, top: np.ndarray) -> int:
    """Where a layer's outputs stand: axis 1, and the last one of layers that make vectors."""
    return top.ndim - 1 if node.type in ("InnerProduct", "LSTM", "RNN", "Embed") else min(1, top.ndim - 1)


def fits(node: Node, bottoms: Sequence[np.ndarray], ours: np.ndarray, target: Top) -> Iterator[Variant]:
    """What the values tell of one layer; `ours` is its top as it stands."""
    if ours.shape != tuple(target.shape):
        return
    points = Points.of(target)
    if bottoms and bottoms[0].shape == ours.shape:
        x = points.at(bottoms[0])
        if node.type == "ReLU":
            yield from _slope(node, x, points)
        elif node.type == "BatchNorm":
            yield from _statistics(node, x, points)
        elif node.type == "LRN":
            yield from _alpha(node, x, points.at(ours), points)


def _slope(node: Node, x: np.ndarray, points: Points) -> Iterator[Variant]:
    below = x < -1e-3 * np.abs(x).max(initial=0.0)
    if below.sum() >= FEWEST:
        found = _round(float(np.median(points.value[below] / x[below])))
        have = getattr(node.layer, "negative_slope", 0.0)
        cause = differs("leaky or plain ReLU: the slope below zero", found, have)
        yield Variant(cause, with_fields(node, negative_slope=found))


def _statistics(node: Node, x: np.ndarray, points: Points) -> Iterator[Variant]:
    """Each channel is a line of slope 1 / sqrt(variance + eps): which eps, or scale factor, do the slopes want?"""
    variance, factor = blob_named(node, "variance"), blob_named(node, "scale_factor")
    slopes = {c: s for c, s, _ in lines(x, points) if s > 0}
    if variance is None or factor is None or not slopes:
        return
    channels = np.array(list(slopes))
    wanted = 1 / np.square(np.array(list(slopes.values())))
    stored = variance[1].astype(np.float64)[channels]
    have = float(factor[1].reshape(-1)[0])
    eps = getattr(node.layer, "eps", 1e-5)
    found = _round(float(np.median(wanted - stored / (have or math.inf))), 3)
    if found >= 0:
        yield Variant(differs("eps", found, eps), with_fields(node, eps=found))
    ratio = np.median(stored / np.maximum(wanted - eps, 1e-30))
    for other in (float(ratio), _round(float(ratio), 3)):
        yield Variant(differs("scale factor", other, have), with_blob(node, factor[0], np.full_like(factor[1], other)))


def _alpha(node: Node, x: np.ndarray, ours: np.ndarray, points: Points) -> Iterator[Variant]:
    """(x / top) ^ (1 / beta) - k is alpha times what ours tells the squares to be."""
    layer: Any = node.layer
    k = layer.k if layer.norm_region == "ACROSS_CHANNELS" else 1.0
    good = (np.abs(ours) > 0) & (points.value * ours > 0)
    if good.sum() >= FEWEST and layer.beta > 0:
        mine = (x[good] / ours[good]) ** (1 / layer.beta) - k
        theirs = (x[good] / points.value[good]) ** (1 / layer.beta) - k
        most = mine > 0.5 * mine.max()
        if most.any() and mine.max() > 0:
            found = _round(layer.alpha * float(np.median(theirs[most] / mine[most])), 3)
            yield Variant(differs("alpha", found, layer.alpha), with_fields(node, alpha=found))


def lines(x: np.ndarray, points: Points) -> Iterator[tuple[int, float, float]]:
    """The line reference = slope * x + shift through the points of each channel that has enough of them."""
    order = np.argsort(points.channel, kind="stable")
    channels, starts = np.unique(points.channel[order], return_index=True)
    for channel, part in zip(channels, np.split(order, starts[1:]), strict=True):
        a, b = x[part], points.value[part]
        spread_ = a.var()
        if len(part) >= LINE and spread_ > 0 and np.isfinite(b).all():
            slope = float(((a - a.mean()) * (b - b.mean())).mean() / spread_)
            yield int(channel), slope, float(b.mean() - slope * a.mean())


def odd_channels(ours: np.ndarray, target: Top, axis: int, bar: float, scale: float) -> tuple[list[int], float]:
    """The channels that are over the bar, and the largest error of all others."""
    points = Points.of(target, axis)
    apart = np.abs(points.at(ours) - points.value) / (scale or 1.0)
    worst = np.zeros(int(points.channel.max(initial=0)) + 1)
    np.maximum.at(worst, points.channel, np.nan_to_num(apart, nan=np.inf))
    odd = np.flatnonzero(worst > bar)
    return odd.tolist(), float(np.delete(worst, odd).max(initial=0.0))


def one_weight(node: Node, x: np.ndarray, ours: np.ndarray, target: np.ndarray, channel: int) -> Iterator[Variant]:
    """The single weight, or the bias, of one output channel whose change comes nearest to the difference."""
    found, bias = blob_named(node, "weight"), blob_named(node, "bias")
    if found is None or node.type not in ("Convolution", "InnerProduct") or getattr(node.layer, "transpose", False):
        return
    i, w = found
    axis = channel_axis(node, ours)
    difference = np.moveaxis(target.astype(np.float64) - ours, axis, 0)[channel].reshape(-1)
    inputs = _inputs(node, x, channel)
    if inputs is None or inputs.shape[0] != difference.size or difference.size < FEWEST:
        return  # of a few places many a weight can be blamed
    strong = np.argsort(-np.abs(difference))[:MOST_ROWS]
    rows = np.concatenate([inputs[strong], np.ones((len(strong), 1))], axis=1).astype(np.float64)
    d = difference[strong]
    norms = np.maximum(np.square(rows).sum(0), 1e-300)
    along = rows.T @ d
    best = int(np.argmax(along**2 / norms))
    change = float(along[best] / norms[best])
    if best == rows.shape[1] - 1:
        if bias is not None:
            changed = bias[1].copy()
            changed[channel] += change
            said = differs(f"one weight: bias[{channel}]", float(changed[channel]), float(bias[1][channel]))
            yield Variant(said, with_blob(node, bias[0], changed))
        return
    place = (channel, *(int(p) for p in np.unravel_index(best, w.shape[1:])))
    changed = w.copy()
    changed[place] += change
    share = f" ({change / float(w[place]):+.2%})" if w[place] else ""
    at = ", ".join(map(str, place))
    said = differs(f"one weight: weight[{at}]", float(changed[place]), float(w[place]))
    yield Variant(said + share, with_blob(node, i, changed))


def _inputs(node: Node, x: np.ndarray, channel: int) -> np.ndarray | None:
    """What each weight of one output channel is multiplied with: a row for each place of the top."""
    layer: Any = node.layer
    if node.type == "InnerProduct":
        return x.reshape(math.prod(x.shape[: layer.axis]), -1)
    if x.ndim != 4 or layer.axis != 1:
        return None
    import torch.nn.functional as F
    from torch import from_numpy

    groups, part = layer.group, x.shape[1] // layer.group
    first = channel // (layer.num_output // groups) * part
    taken = from_numpy(np.array(x[:, first : first + part], np.float32))
    kernel, stride, pad, dilation = (
        spread(v, 2, d, "") for v, d in ((layer.kernel, None), (layer.stride, 1), (layer.pad, 0), (layer.dilation, 1))
    )
    columns = F.unfold(taken, kernel, dilation=dilation, padding=pad, stride=stride)
    return columns.transpose(1, 2).reshape(-1, columns.shape[1]).numpy()


def scaled(ours: np.ndarray, target: Top, axis: int, scale: float, weighted: bool) -> Iterator[tuple[str, float]]:
    """Is the reference ours, scaled and shifted: all of it, or, where the layer has weights, each channel?"""
    points = Points.of(target, axis)
    mine = points.at(ours)
    if mine.size < FEWEST or not scale or not np.isfinite(points.value).all():
        return
    for slope, shift in [(s, t) for _, s, t in lines(mine, replace(points, channel=np.zeros_like(points.channel)))]:
        left = float(np.abs(slope * mine + shift - points.value).max() / scale)
        said = f"the reference is {slope:.6g} times ours" + (f", and {shift:+.6g}" if abs(shift) > 1e-6 * scale else "")
        yield said, left
    laid = {c: (s, t) for c, s, t in lines(mine, points)}
    if weighted and len(laid) > 1 and all(c in laid for c in np.unique(points.channel).tolist()):
        slopes = np.array([laid[int(c)][0] for c in points.channel])
        shifts = np.array([laid[int(c)][1] for c in points.channel])
        left = float(np.abs(slopes * mine + shifts - points.value).max() / scale)
        yield "each channel of the reference is ours, scaled and shifted: other weights", left


def _round(value: float, digits: int = 4) -> float:
    return float(f"{value:.{digits}g}")
