"""Boxes in ONNX: said by their differences from others, and the best of those that overlap. B is any number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe2py.layers.base import Builder, Handle, Misfit


def corners(g: Builder, middle: Handle, half: Handle) -> Handle:
    """Boxes (..., 4) of their middles and half their sizes, (..., 2) each."""
    return g.concat([g.op("Sub", middle, half), g.op("Add", middle, half)], len(middle.shape) - 1)


def halves(g: Builder, boxes: Handle) -> tuple[Handle, Handle]:
    """The first two numbers of boxes (..., 4), and the last two."""
    last = len(boxes.shape) - 1
    return g.slice(boxes, last, 0, 2), g.slice(boxes, last, 2, 4)


def decoded(g: Builder, said: Handle, prior: Handle, variance: Handle | None, code: str) -> Handle:
    """The boxes that a net says by their differences from prior ones; no variance: it is in them."""
    step = said if variance is None else g.op("Mul", said, variance)
    if code == "CORNER":
        return g.op("Add", prior, step)
    low, high = halves(g, prior)
    size = g.op("Sub", high, low)
    if code == "CORNER_SIZE":
        return g.op("Add", prior, g.op("Mul", step, g.concat([size, size], len(prior.shape) - 1)))
    place, growth = halves(g, step)
    middle = g.op("Add", g.op("Mul", place, size), g.op("Mul", g.op("Add", low, high), 0.5))
    return corners(g, middle, g.op("Mul", g.op("Mul", g.op("Exp", growth), size), 0.5))


def best(g: Builder, scores: Handle, k: int) -> tuple[Handle, Handle]:
    """The k largest scores of each row (B, n), the largest first, and where they were; of equal ones the first."""
    shape = (*scores.shape[:-1], k)
    values, index = g.ops("TopK", 2, scores, g.constant([k], "k"), axis=len(shape) - 1, shape=shape)
    return values, index


def picked(g: Builder, boxes: Handle, index: Handle) -> Handle:
    """The boxes (B, n, 4) at the places (B, k) of each row."""
    shape = (*index.shape, 4)
    spread = g.op("Expand", g.unsqueeze(index, [2]), g.shape(shape), shape=shape)
    return g.op("GatherElements", boxes, spread, axis=1, shape=shape)


def overlap_bar(most: float) -> float:
    """An overlap as NonMaxSuppression takes it, from 0 to 1: no two boxes overlap by more. `Misfit` for one below."""
    if not most >= 0:
        raise Misfit(f"lets boxes overlap by {most:g}, which NonMaxSuppression does not take; want 0 or more")
    return min(most, 1.0)


def kept_apart(
    g: Builder, boxes: Handle, scores: Handle, least: float, most: float, eta: float = 1.0, limit: int | None = None
) -> Handle:
    """Which boxes (B, k, 4), the best first, score above `least` and overlap none kept before them by more than `most`.

    True or false (B, k). With `eta` below 1, each that is kept shrinks a threshold above 0.5 by that factor. `limit`:
    how many of a row are kept at the most.
    """
    least = max(least, g.lowest)
    low, high = halves(g, boxes)
    boxes = g.concat([low, g.op("Max", low, high)], 2)  # inside out, a box has no area
    if eta < 1 and most > 0.5:
        return _shrinking(g, boxes, g.op("Greater", scores, least), most, eta)
    rows, k = scores.shape
    floats = (g.cast(x, "float32") for x in (boxes, g.unsqueeze(scores, [1])))
    bars = (g.cast(g.constant([x], word), "float32") for x, word in ((overlap_bar(most), "overlap"), (least, "least")))
    number = g.constant([k if limit is None else limit], "most")
    chosen = g.op("NonMaxSuppression", *floats, number, *bars)
    place = g.op("Gather", chosen, g.constant([0, 2], "columns"), axis=1)
    one = g.op("Add", g.op("Gather", chosen, g.constant(1, "class"), axis=1), g.constant(1, "one"))
    zeros = g.cast(g.full((rows, k), 0.0), "int64")
    return g.cast(g.op("ScatterND", zeros, place, one, shape=(rows, k)), "bool")


def _shrinking(g: Builder, boxes: Handle, wanted: Handle, most: float, eta: float) -> Handle:
    """One box of each row after another."""
    import numpy as np  # here, so that a net can be shown without it

    rows, k = wanted.shape
    overlaps = g.transpose(overlap(g, g.unsqueeze(boxes, [1]), g.unsqueeze(boxes, [2])), (1, 0, 2))  # (k, B, k)

    def step(
        g: Builder, kept: Handle, limit: Handle, overlaps: Handle, wanted: Handle, place: Handle
    ) -> Sequence[Handle]:
        worst = g.reduce("ReduceMax", g.op("Mul", overlaps, kept), [1], keepdims=False)
        now = g.op("And", g.op("LessOrEqual", worst, limit), g.op("Greater", wanted, 0.0))
        kept = g.op("Add", kept, g.op("Mul", g.unsqueeze(g.cast(now, "float"), [1]), place))
        shrinks = g.op("And", now, g.op("Greater", limit, 0.5))
        return [kept, g.op("Where", shrinks, g.op("Mul", limit, eta), limit)]

    state = [g.full((rows, k), 0.0), g.full((rows,), most)]
    each = [overlaps, g.transpose(g.cast(wanted, "float"), (1, 0)), g.constant(np.eye(k), "place")]
    return g.op("Greater", g.scan(step, state, each)[0], 0.5)


def overlap(g: Builder, one: Handle, other: Handle) -> Handle:
    """The intersection of boxes (..., 4), none inside out, over their union; 0 where they do not meet."""
    (a, b), (c, d) = halves(g, one), halves(g, other)
    shared = _area(g, g.op("Max", g.op("Sub", g.op("Min", b, d), g.op("Max", a, c)), 0.0))
    union = g.op("Sub", g.op("Add", _area(g, g.op("Sub", b, a)), _area(g, g.op("Sub", d, c))), shared)
    meets = g.op("Greater", shared, 0.0)
    return g.op("Where", meets, g.op("Div", shared, g.op("Where", meets, union, 1.0)), 0.0)


def _area(g: Builder, sides: Handle) -> Handle:
    last = len(sides.shape) - 1
    width, height = (g.slice(sides, last, i, i + 1) for i in range(2))
    return g.squeeze(g.op("Mul", width, height), [last])


def found_rows(g: Builder, kept: Handle, boxes: Handle, scores: Handle) -> tuple[Handle, Handle, Handle]:
    """Of what is kept (B, k): its row as a number (R, 1), its box (R, 4) and its score (R, 1), in order."""
    place = g.transpose(g.op("NonZero", kept), (1, 0))
    score = g.unsqueeze(g.op("GatherND", scores, place), [1])
    return g.cast(g.slice(place, 1, 0, 1), "float"), g.op("GatherND", boxes, place), score


def marked(g: Builder, index: Handle, shape: Sequence[Any]) -> Handle:
    """True at the places (B, k) of each row of `shape` (B, n)."""
    zeros, ones = g.full(shape, 0.0), g.full(index.shape, 1.0)
    return g.cast(g.op("ScatterElements", zeros, index, ones, axis=1, shape=shape), "bool")
