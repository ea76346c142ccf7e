"""ClusterDetections in ONNX: which boxes are alike, and what is left of each kind. All that decides is in double."""

from __future__ import annotations

import math
from collections.abc import Sequence

from caffe2py.layers.base import Builder, Handle, float32

DOUBLE = 11  # of TensorProto


class Clusters:
    """The boxes (k, 4) that cells say, whole numbers, and of which image each is (k, 1); all kinds of all images."""

    def __init__(self, g: Builder, boxes: Handle, image: Handle, eps: float, chain: int) -> None:
        """`chain`: how many boxes may be linked by others at the most."""
        self.g, self.boxes, self.image = g, boxes, image
        self.eps = self.exact(eps)
        number = g.op("Gather", g.op("Shape", boxes), g.constant(0, "first"), axis=0)
        self.order = g.op("Range", g.constant(0, "zero"), number, g.constant(1, "step"))
        self.same = g.op("Equal", image, self.row(image))
        self.own = g.op("Equal", self.column(self.order), g.unsqueeze(self.order, [0]))
        alike = self.alike()
        for _ in range(math.ceil(math.log2(max(chain, 2)))):
            alike = self.number(g.op("Greater", g.op("MatMul", alike, alike), 0.0))
        first = g.op("ArgMax", alike, axis=1, keepdims=0)
        self.leads = g.op("Equal", first, self.order)
        self.members = g.reduce("ReduceSum", alike, [1], keepdims=False)
        share = g.op("Reciprocal", self.column(self.members))
        self.means = g.op("Round", g.op("Mul", g.op("MatMul", alike, self.number(boxes)), share))

    def alike(self) -> Handle:
        """1 where the sides of two boxes of an image are no further apart than eps times their mean size."""
        g = self.g
        x, y, wide, high = (self.side(self.double(self.boxes), i) for i in range(4))
        near = self.same
        size = g.op("Add", *(g.op("Min", side, self.row(side)) for side in (wide, high)))
        far = g.op("Mul", g.op("Mul", self.eps, size), self.exact(0.5))
        for side in (x, y, g.op("Add", x, wide), g.op("Add", y, high)):
            apart = g.op("Abs", g.op("Sub", side, self.row(side)))
            near = g.op("And", near, g.op("LessOrEqual", apart, far))
        return self.number(g.op("Or", near, self.own))

    def kept(self, group: int) -> Handle:
        """Of each kind's first box: is it of more than `group` boxes, and in none of more?"""
        g = self.g
        x, y, wide, high = (self.side(self.double(self.means), i) for i in range(4))
        inside = self.same
        for low, size in ((x, wide), (y, high)):
            reach = g.op("Round", g.op("Mul", self.row(size), self.eps))
            start, end = (
                g.op("Sub", self.row(low), reach),
                g.op("Add", g.op("Add", self.row(low), self.row(size)), reach),
            )
            inside = g.op("And", inside, g.op("GreaterOrEqual", low, start))
            inside = g.op("And", inside, g.op("LessOrEqual", g.op("Add", low, size), end))
        enough = g.op("And", self.leads, g.op("Greater", self.members, float(group)))
        mine, theirs = self.column(self.members), g.unsqueeze(self.members, [0])
        more = g.op("Or", g.op("Greater", theirs, g.op("Max", mine, 3.0)), g.op("Less", mine, 3.0))
        for fact in (more, g.op("Not", self.own), g.unsqueeze(enough, [0])):
            inside = g.op("And", inside, fact)
        swallowed = g.reduce("ReduceMax", self.number(inside), [1], keepdims=False)
        return g.op("And", enough, g.op("Less", swallowed, 0.5))

    def ranked(self, kept: Handle) -> Handle:
        """How many of those that are kept stand before each one in its image, as numbers (k)."""
        g = self.g
        before = g.op("And", self.same, g.op("Greater", self.column(self.order), g.unsqueeze(self.order, [0])))
        before = self.number(g.op("And", before, g.unsqueeze(kept, [0])))
        return g.reduce("ReduceSum", before, [1], keepdims=False)

    def exact(self, value: float) -> Handle:
        """A number in double, of the three floats that it is the sum of."""
        parts: list[float] = []
        for _ in range(3):
            parts.append(float32(value - sum(parts)))
        total, *rest = (self.double(self.g.constant(part, "part")) for part in parts)
        for part in rest:
            total = self.g.op("Add", total, part)
        return total

    def double(self, x: Handle) -> Handle:
        return self.g.op("Cast", x, to=DOUBLE)

    def number(self, x: Handle) -> Handle:
        return self.g.cast(x, "float")

    def column(self, x: Handle) -> Handle:
        return self.g.unsqueeze(x, [1])

    def row(self, x: Handle) -> Handle:
        return self.g.transpose(x, (1, 0))

    def side(self, boxes: Handle, i: int) -> Handle:
        return self.g.op("Gather", boxes, self.g.constant([i], "side"), axis=1)


def cells(g: Builder, cover: Handle, said: Handle, cell: tuple[int, int], least: float) -> tuple[Handle, Handle]:
    """The boxes (k, 4) that cells say which cover enough (N, H, W), and their images (k, 1); a last one of no image."""
    place = g.transpose(g.op("NonZero", g.op("GreaterOrEqual", cover, least)), (1, 0))
    at = g.op("GatherND", g.transpose(said, (0, 2, 3, 1)), place)
    image, *corner = (g.op("Gather", place, g.constant([i], "column"), axis=1) for i in range(3))
    y, x = (g.op("Mul", g.cast(c, "float"), float(size)) for c, size in zip(corner, cell, strict=True))
    boxes = g.op("Add", at, g.op("Concat", x, y, x, y, axis=1))
    return _one_more(g, boxes, [0.0] * 4), _one_more(g, image, [-1])


def _one_more(g: Builder, rows: Handle, last: Sequence[float]) -> Handle:
    return g.op("Concat", rows, g.constant([list(last)], "last"), axis=0)
