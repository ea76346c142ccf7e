"""Nms: the peaks of maps, as OpenPose's first form finds the parts of bodies."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, layer, param, text

REACH = 3  # pixels around a peak that its place is worked out from


@layer("Nms", fork="rtpose", formula=True)
class Nms(Layer):
    """top (N, num_parts, max_peaks + 1, 3): the number of peaks of each map, 0, 0, then x, y and value of each.

    x (N, C, H, W), C at least num_parts. A peak is above `threshold` and above its eight neighbours, and stands at no
    edge; they come row by row, max_peaks of them at the most, and zeros after them. Its place is the mean of those of
    the pixels of 7 x 7 around it, as far as they are in the map, by their values. No gradient. The formula of CMU's
    caffe_rtpose for GPUs; its code for the CPU does something else.
    """

    threshold: float = param("nms_param.threshold", 0.5)
    max_peaks: int = param("nms_param.max_peaks", 20)
    num_parts: int = param("nms_param.num_parts", 15)

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if len(x) != 4 or x[1] < self.num_parts or min(x[2:]) < 3:
            raise Misfit(f"has a bottom of shape {text(x)}; want (N, {self.num_parts} or more, 3 or more, 3 or more)")
        if not 1 <= self.max_peaks <= x[2] * x[3]:
            raise Misfit(f"max_peaks is {self.max_peaks}; want 1 to the pixels of a map, {x[2] * x[3]}")
        return [(x[0], self.num_parts, self.max_peaks + 1, 3)]

    def torch(self, em: Emitter, x: Term) -> str:
        words = {"parts": self.num_parts, "most": self.max_peaks, "least": self.threshold, "reach": REACH}
        return em.call("peaks", x, **words)

    def onnx(self, g: Builder, x: Handle) -> Handle:
        import numpy as np  # here, so that a net can be shown without it

        n, _, high, wide = x.shape
        parts, total, most = self.num_parts, high * wide, self.max_peaks
        x = g.reshape(Handle(g.slice(x, 1, 0, parts), (n, parts, high, wide)), (n * parts, 1, high, wide))
        inner = self._cut(g, x, 1, 1, high, wide)
        peak = g.op("Greater", inner, self.threshold)
        for down in (0, 1, 2):
            for across in (0, 1, 2):
                if (down, across) != (1, 1):
                    peak = g.op("And", peak, g.op("Greater", inner, self._cut(g, x, down, across, high, wide)))
        edge = [0, 0, 1, 1]
        found = g.reshape(g.pad(g.cast(peak, "float"), edge, edge), (n * parts, total))
        order = g.op("Mul", found, g.constant(np.arange(total, 0, -1, dtype=np.float32), "order"))
        shape = (n * parts, most)
        rank, index = g.ops("TopK", 2, order, g.constant([most], "k"), axis=1, shape=shape)
        y, x_ = np.divmod(np.arange(total), wide)
        weight = g.full((1, 1, 2 * REACH + 1, 2 * REACH + 1), 1.0)
        sums = []
        for place in (np.ones(total), x_, y):
            times = g.op("Mul", x, g.constant(place.reshape(1, 1, high, wide).astype(np.float32), "place"))
            around = g.op("Conv", times, weight, pads=[REACH] * 4, shape=x.shape)
            sums.append(g.op("GatherElements", g.reshape(around, (n * parts, total)), index, axis=1, shape=shape))
        value = g.op("GatherElements", g.reshape(x, (n * parts, total)), index, axis=1, shape=shape)
        columns = [g.op("Div", sums[1], sums[0]), g.op("Div", sums[2], sums[0]), value]
        some = g.op("Greater", rank, 0.0)
        rows = g.concat([g.unsqueeze(g.op("Where", some, c, 0.0), [2]) for c in columns], 2)
        number = g.reduce("ReduceSum", found, [1])
        number = g.op("Min", number, float(most))
        first = g.pad(g.unsqueeze(number, [2]), [0, 0, 0], [0, 0, 2])
        return g.reshape(g.concat([first, rows], 1), g.tops[0])

    def _cut(self, g: Builder, x: Handle, down: int, across: int, high: int, wide: int) -> Handle:
        """The inner pixels of x, moved by one or none."""
        rows = Handle(g.slice(x, 2, down, high - 2 + down), (*x.shape[:2], high - 2, wide))
        return Handle(g.slice(rows, 3, across, wide - 2 + across), (*x.shape[:2], high - 2, wide - 2))
