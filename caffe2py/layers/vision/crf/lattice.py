"""The permutohedral lattice in ONNX: means over points by a Gaussian of their distance (Adams, Baek and Davis 2010)."""

from __future__ import annotations

import math
from typing import Any

from caffe2py.layers.base import Builder, Handle, float32


class Lattice:
    """The lattice that points (N, P, d) lie in, each image for itself; all of them are rows (N * P) of what follows."""

    def __init__(self, g: Builder, points: Handle) -> None:
        self.g = g
        n, each, d = points.shape
        self.rows = n * each
        low, rank, self.shares = self._simplices(g.reshape(points, (self.rows, d)), d)
        self.corners, self.beside = self._numbered(low, rank, d, self._images(n, each))
        self.ones = self._filtered(g.full((self.rows, 1), 1.0), 1)

    def mean(self, values: Handle) -> Handle:
        """The means (rows, C) of values at all points."""
        return self.g.op("Div", self._filtered(values, int(values.shape[1])), self.ones)

    def _simplices(self, points: Handle, d: int) -> tuple[Handle, Handle, Handle]:
        """Of each point: the lattice point with remainder 0 beside it (rows, d + 1), the rank of each coordinate's
        distance from it, and the barycentric coordinates of its simplex."""
        g, wide = self.g, (self.rows, d + 1)
        raised = self._raised(points, d)
        share = g.op("Mul", raised, 1 / (d + 1))
        up, down = (g.op("Mul", g.op(kind, share), float(d + 1)) for kind in ("Ceil", "Floor"))
        low = g.op("Where", g.op("Less", g.op("Sub", up, raised), g.op("Sub", raised, down)), up, down)
        order = self._best(g.op("Sub", raised, low), d, largest=1)
        over = g.op("Div", g.reduce("ReduceSum", low, [1]), float(d + 1))
        rank = g.op("Add", g.cast(self._best(order, d, largest=0), "float"), over)
        for outside, by in ((g.op("Less", rank, 0.0), d + 1), (g.op("Greater", rank, float(d)), -d - 1)):
            turn = g.op("Mul", g.cast(outside, "float"), float(by))
            rank, low = g.op("Add", rank, turn), g.op("Add", low, turn)
        rest = g.op("Mul", g.op("Sub", raised, low), 1 / (d + 1))
        falling = self._best(rank, d, largest=1)
        ranked = g.op("GatherElements", rest, falling, axis=1, shape=wide)
        before = g.concat([g.slice(ranked, 1, d, d + 1), g.slice(ranked, 1, 0, d)], 1)
        first = g.constant([1.0, *[0.0] * d], "first")
        return low, rank, g.op("Add", g.op("Sub", ranked, before), first)

    def _raised(self, points: Handle, d: int) -> Handle:
        """The points (rows, d + 1) in the plane of the lattice, in which the blur has a deviation of 1.

        Summed in Caffe's order, since which points of the lattice there are hangs on how ties are broken.
        """
        g, parts = self.g, []
        total = g.full((self.rows, 1), 0.0)
        deviation = float32((d + 1) * math.sqrt(2 / 3))
        for i in range(d, 0, -1):
            part = g.op("Mul", g.slice(points, 1, i - 1, i), deviation / math.sqrt(i * (i + 1)))
            parts.append(g.op("Sub", total, g.op("Mul", part, float(i))))
            total = g.op("Add", total, part)
        return g.concat([total, *reversed(parts)], 1)

    def _best(self, x: Handle, d: int, largest: int) -> Handle:
        shape = (self.rows, d + 1)
        return self.g.ops("TopK", 2, x, self.g.constant([d + 1], "k"), axis=1, largest=largest, shape=shape)[1]

    def _images(self, n: Any, each: int) -> Handle:
        """The image of each row (rows, 1), as whole numbers."""
        g = self.g
        last = g.squeeze(g.shape([n]), [0])
        order = g.op("Range", g.constant(0, "zero"), last, g.constant(1, "step"), shape=(n,))
        return g.reshape(g.op("Expand", g.unsqueeze(order, [1]), g.shape((n, each)), shape=(n, each)), (self.rows, 1))

    def _numbered(self, low: Handle, rank: Handle, d: int, images: Handle) -> tuple[Handle, Handle]:
        """The number of each corner (rows, d + 1), and the numbers of the two beside each along each direction.

        (d + 1, 2, M + 1); the last number, M, is that of no point. A point's coordinates are counted as the digits of
        one whole number, which Unique then sorts; the sum of such numbers is that of their digits.
        """
        import numpy as np  # here, so that a net can be shown without it

        g, remainders = self.g, np.arange(d + 1, dtype=np.float32)[:, None]
        shape = (self.rows, d + 1, d)
        low, rank = (g.unsqueeze(g.slice(x, 1, 0, d), [1]) for x in (low, rank))
        beyond = g.cast(g.op("Greater", rank, g.constant(d - remainders, "last")), "float")
        moved = g.op("Sub", g.constant(remainders, "remainders"), g.op("Mul", beyond, float(d + 1)))
        keys = g.cast(g.op("Add", low, moved), "int64")
        keys = Handle(keys, shape)
        least, most = (g.reduce(f"Reduce{kind}", keys, [0, 1]) for kind in ("Min", "Max"))
        margin = g.constant(2 * d + 1, "margin")
        bases = g.split(g.op("Add", g.op("Sub", most, least), margin), [1] * d, 2)
        digits = g.split(g.op("Sub", keys, least), [1] * d, 2)
        code, step = g.unsqueeze(images, [1]), g.constant(np.zeros((1, 1, 1), np.int64), "zero")
        turns = [g.constant(turn[None], "turn") for turn in ((d + 1) * np.eye(d + 1, d, dtype=int) - 1).T]
        for base, digit, turn in zip(bases, digits, turns, strict=True):
            code = g.op("Add", g.op("Mul", code, base), digit)
            step = g.op("Add", g.op("Mul", step, base), g.unsqueeze(turn, [2]))
        points, corners = self._unique(g.reshape(code, (self.rows * (d + 1),)))
        both = g.op("Mul", g.reshape(step, (d + 1, 1, 1)), g.constant([[[1], [-1]]], "ways"))
        beside = g.op("Reshape", g.op("Add", both, points), g.constant([-1], "flat"))
        known = g.op("Shape", points)
        place = self._unique(g.op("Concat", points, beside, axis=0))[1]
        mine, theirs = (
            g.op("Slice", place, *cut, g.constant([0], "axis"))
            for cut in ((g.constant([0], "zero"), known), (known, g.constant([2**62], "end")))
        )
        number = g.op("Squeeze", known, g.constant([0], "axis"))
        order = g.op("Range", g.constant(0, "zero"), number, g.constant(1, "step"))
        none = g.op("Expand", number, g.op("Shape", place))
        found = g.op("Gather", g.op("ScatterElements", none, mine, order, axis=0), theirs, axis=0)
        found = g.op("Reshape", found, g.op("Concat", g.constant([d + 1, 2], "ways"), known, axis=0))
        nowhere = g.op("Expand", number, g.constant([d + 1, 2, 1], "nowhere"))
        self.many = g.op("Add", known, g.constant([1], "one"))
        return g.reshape(corners, (self.rows, d + 1)), g.op("Concat", found, nowhere, axis=2)

    def _unique(self, codes: Handle) -> tuple[Handle, Handle]:
        points, _, place = self.g.ops("Unique", 3, codes, sorted=1)
        return points, place

    def _filtered(self, values: Handle, channels: int) -> Handle:
        """The sums (rows, C) of values around all points."""
        g, (rows, corners) = self.g, self.corners.shape
        each = (rows, corners, channels)
        sent = g.op("Mul", g.unsqueeze(values, [1]), g.unsqueeze(self.shares, [2]), shape=each)
        flat = (rows * corners, channels)
        where = g.op("Expand", g.unsqueeze(self.corners, [2]), g.shape(each), shape=each)
        size = g.op("Concat", self.many, g.constant([channels], "channels"), axis=0)
        held = g.op("Expand", g.cast(g.constant(0.0, "nothing"), "float"), size)
        held = g.op("ScatterElements", held, g.reshape(where, flat), g.reshape(sent, flat), axis=0, reduction="add")
        for direction in range(corners):
            beside = g.op("Gather", self.beside, g.constant(direction, "direction"), axis=0)
            both = g.op("ReduceSum", g.op("Gather", held, beside, axis=0), g.constant([0], "axis"), keepdims=0)
            held = g.op("Add", held, g.op("Mul", both, 0.5))
        back = g.op("Gather", held, self.corners, axis=0, shape=each)
        return g.reduce("ReduceSum", g.op("Mul", back, g.unsqueeze(self.shares, [2])), [1], keepdims=False)
