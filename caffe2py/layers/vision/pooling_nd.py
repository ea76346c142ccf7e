"""What the poolings of more than two axes share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, count, text
from caffe2py.layers.vision.spatial import at_least, spread, window_words


@dataclass(frozen=True)
class PoolingNd(Layer):
    """The largest value, or the average, of each window over two or three axes, by Caffe's rules for two.

    x (N, C, spatial...). The top has ceil((n + 2 pad - kernel) / stride) + 1 places along an axis, less one where there
    is a pad and the last window would start behind the image and its padding. An average divides by the part of the
    window that lies in the padded image.
    """

    pool: str = "MAX"
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    pad: tuple[int, ...] = ()

    def window(self, x: Shape) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        axes = len(x) - 2
        if axes not in (2, 3):
            raise Misfit(f"has a bottom of shape {text(x)}; want two or three axes behind num and channels")
        return (
            spread(self.kernel, axes, None, "kernel"),
            spread(self.stride, axes, 1, "stride"),
            spread(self.pad, axes, 0, "pad"),
        )

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if self.pool not in ("MAX", "AVE"):
            raise Misfit(f"pools {self.pool}, which is not known over volumes; want MAX or AVE")
        kernel, stride, pad = self.window(x)
        at_least(kernel, 1, "kernel")
        at_least(stride, 1, "stride")
        if any(p >= k for p, k in zip(pad, kernel, strict=True)):
            raise Misfit("has a pad as large as its kernel; want a smaller one")
        sizes = self.sized(x)
        if min(sizes) < 1:
            raise Misfit(f"has a bottom of shape {text(x)}, too small for its kernel; want a smaller one")
        return [(*x[:2], *sizes)]

    def sized(self, x: Shape) -> list[int]:
        """Places along each axis."""
        kernel, stride, pad = self.window(x)
        sizes = []
        for n, k, s, p in zip(x[2:], kernel, stride, pad, strict=True):
            size = math.ceil((n + 2 * p - k) / s) + 1
            sizes.append(size - 1 if any(pad) and (size - 1) * s >= n + p else size)
        return sizes

    def torch(self, em: Emitter, x: Term) -> str:
        kernel, stride, pad = self.window(x.shape)
        return em.call("pool_nd", x, kernel=kernel, stride=stride, pad=pad, average=self.pool == "AVE")

    def onnx(self, g: Builder, x: Handle) -> Handle:
        """Caffe counts padding and not what hangs over beyond it; ONNX counts all pads, or none."""
        kernel, stride, pad = self.window(x.shape)
        sizes = self.sized(x.shape)
        ends = [(m - 1) * s + k - p for m, s, k, p in zip(sizes, stride, kernel, pad, strict=True)]
        over = [max(e - n, 0) for e, n in zip(ends, x.shape[2:], strict=True)]
        words = {"kernel_shape": kernel, "strides": stride, "shape": (*x.shape[:2], *sizes)}
        if self.pool == "MAX":
            return g.op("MaxPool", x, pads=(*pad, *over), **words)
        counted = [min(o, p) for o, p in zip(over, pad, strict=True)]
        left = [o - c for o, c in zip(over, counted, strict=True)]
        padded = g.pad(x, (0, 0, *pad), (0, 0, *counted))
        return g.op("AveragePool", padded, pads=(*[0] * len(pad), *left), **words)

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0]) * count(self.window(bottoms[0])[0]) if self.pool == "AVE" else 0

    def summary(self) -> str:
        return f"{self.pool} {window_words(self.kernel, self.stride, self.pad)}"
