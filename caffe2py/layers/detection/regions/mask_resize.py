"""MaskResize: a mask in another size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, count, layer, param, text

if TYPE_CHECKING:
    import numpy as np


@layer("MaskResize", fork="MNC", formula=True)
class MaskResize(Layer):
    """top[y, x] = the value of the bottom at (y * H / output_height, x * W / output_width).

    Taken linearly between the four pixels around; behind the last pixel it is the edge's, and by more than half a
    pixel 0, as happens where the size more than doubles. (N, C, H, W) to (N, C, output_height, output_width). Source:
    mask_resize_layer.cu of MNC's Caffe, which has no code for the CPU.
    """

    output_height: int = param("mask_resize_param.output_height", 0)
    output_width: int = param("mask_resize_param.output_width", 0)

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if len(x) != 4:
            raise Misfit(f"has a bottom of shape {text(x)}; want 4 axes (num, channels, height, width)")
        if min(self.output_height, self.output_width) < 1:
            raise Misfit(f"resizes to {self.output_height} x {self.output_width}; want 1 at least")
        return [(*x[:2], self.output_height, self.output_width)]

    def torch(self, em: Emitter, x: Term) -> str:
        return em.call("resize_from_corner", x, self.output_height, self.output_width)

    def onnx(self, g: Builder, x: Handle) -> Handle:
        import numpy as np  # here, so that a net can be shown without it

        for axis, size in ((2, self.output_height), (3, self.output_width)):
            low, high, share, inside = places(x.shape[axis], size)
            ends = (g.op("Gather", x, g.constant(end, "place"), axis=axis) for end in (low, high))
            shape = (*x.shape[:axis], size, *x.shape[axis + 1 :])
            wide = g.constant(share.reshape(-1, *[1] * (3 - axis)), "share")
            first, last = (Handle(end, shape) for end in ends)
            x = g.op("Add", first, g.op("Mul", g.op("Sub", last, first), wide))
            if not inside.all():
                x = g.op("Mul", x, g.constant(inside.reshape(wide.shape).astype(np.float32), "inside"))
        return x

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return 4 * count(tops[0])


def places(old: int, new: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For each new place the old ones before and behind it, how far it is to the second, and whether it is by them."""
    import numpy as np  # here, so that a net can be shown without it

    at = np.arange(new) * (old / new)
    inside, held = at <= old - 0.5, np.minimum(at, old - 1)
    low = held.astype(np.int64)
    return low, np.minimum(low + 1, old - 1), (held - low).astype(np.float32), inside
