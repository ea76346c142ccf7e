"""FlowWarp: an image read where a flow points."""

from __future__ import annotations

import math
from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, count, layer, param, text


@layer("FlowWarp", bottoms=2, fork="FlowNet", formula=True)
class FlowWarp(Layer):
    """top[y, x] = image[y + flow_y, x + flow_x], bilinearly; beyond the image 0, or NaN (fill_value NOT_A_NUMBER).

    image (N, C, H, W), flow (N, 2, H, W), x first. Inside is 0 <= x < W, 0 <= y < H; behind the last column and row
    they are read once more. From flow_warp_layer.cu of FlowNet 2, which runs on a GPU alone.
    """

    fill: str = param("flow_warp_param.fill_value", "ZERO")

    def shapes(self, image: Shape, flow: Shape) -> Sequence[Shape]:
        if len(image) != 4 or flow != (image[0], 2, *image[2:]):
            raise Misfit(f"has bottoms {text(image)} and {text(flow)}; want (N, C, H, W) and (N, 2, H, W)")
        return [image]

    def torch(self, em: Emitter, image: Term, flow: Term) -> str:
        return em.call("flow_warp", image, flow, fill=0.0 if self.fill == "ZERO" else math.nan)

    def onnx(self, g: Builder, image: Handle, flow: Handle) -> Handle:
        import numpy as np  # here, so that a net can be shown without it

        batch, channels, height, width = image.shape
        flat = (batch, 1, height * width)
        starts = np.indices((height, width), np.float32)[::-1].reshape(1, 2, 1, -1)
        moves = g.reshape(flow, (batch, 2, height * width))
        places = [g.op("Add", m, g.constant(starts[:, i], "xy"[i])) for i, m in enumerate(g.split(moves, [1, 1], 1))]
        inside: Handle | None = None
        for place, size in zip(places, (width, height), strict=True):
            for bound in (g.op("Not", g.op("Less", place, 0.0)), g.op("Less", place, float(size))):
                inside = bound if inside is None else g.op("And", inside, bound)
        assert inside is not None
        (x, y) = (g.op("Where", inside, place, 0.0) for place in places)
        left, above = g.op("Floor", x), g.op("Floor", y)
        right, below = (g.op("Min", g.op("Add", v, 1.0), n - 1.0) for v, n in ((left, width), (above, height)))
        across, down = g.op("Sub", x, left), g.op("Sub", y, above)
        values = g.reshape(image, (batch, channels, height * width))
        wide = g.shape((batch, channels, height * width))

        def at(row: Handle, column: Handle) -> Handle:
            index = g.cast(g.op("Add", g.op("Mul", row, float(width)), column), "int64")
            index = g.op("Expand", g.reshape(index, flat), wide, shape=values.shape)
            return g.op("GatherElements", values, index, axis=2, shape=values.shape)

        def between(a: Handle, b: Handle, share: Handle) -> Handle:
            return g.op("Add", g.op("Mul", a, g.op("Sub", 1.0, share)), g.op("Mul", b, share))

        upper = between(at(above, left), at(above, right), across)
        lower = between(at(below, left), at(below, right), across)
        fill = 0.0 if self.fill == "ZERO" else math.nan
        return g.reshape(g.op("Where", inside, between(upper, lower, down), fill), image.shape)

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return 4 * count(tops[0])
