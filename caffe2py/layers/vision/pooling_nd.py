"""What the poolings of more than two axes share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, count, float32, text
from caffe2py.layers.vision.spatial import at_least, spread, window_words


class Windows(NamedTuple):
    """How a pooling slides over the spatial sizes of x: a value for each axis."""

    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[int, ...]

    def sized(self, rounded: Callable[[float], int] = math.ceil) -> list[int]:
        """Places along each axis, by Caffe's rule. It divides in float32."""
        sizes = []
        for n, k, s, p in zip(*self, strict=True):
            size = int(rounded(float32((n + 2 * p - k) / s))) + 1
            size -= any(self.pad) and (size - 1) * s >= n + p
            if size < 1:
                raise Misfit(f"has a bottom of {text(self.size)}, too small for a kernel of {k}; want a smaller kernel")
            sizes.append(size)
        return sizes

    def onnx_largest(self, g: Builder, x: Handle, sizes: Sequence[int], mask: bool = False) -> list[Handle]:
        """MaxPool, and with `mask` the places of the maxima, for so many places along each axis."""
        empty, over, words = self._filled(x, sizes)
        before = [0] * len(empty)
        if not mask:
            return [g.pad(g.op("MaxPool", x, pads=(*self.pad, *over), **words), before, empty, g.lowest)]
        top, index = g.ops("MaxPool", 2, x, pads=(*self.pad, *over), **words)
        index = g.cast(g.op("Mod", index, count(self.size)), "float")  # ONNX counts over the whole blob
        return [g.pad(top, before, empty, g.lowest), g.pad(index, before, empty, -1.0)]

    def onnx_average(self, g: Builder, x: Handle, sizes: Sequence[int], include_pad: bool = True) -> Handle:
        """AveragePool, in which padding counts unless it is not to, and what hangs over beyond it does not."""
        empty, over, words = self._filled(x, sizes)
        top = self._average(g, x, over, include_pad, words)
        # Caffe divides no sum by its number of places: 0 / 0 where the window starts at the edge, else 0 / -n.
        edge = [False, False, *((m - 1) * s == n for m, s, n in zip(sizes, self.stride, self.size, strict=True))]
        before = [0] * len(empty)
        top = g.pad(top, before, [0 if at else e for e, at in zip(empty, edge, strict=True)])
        return g.pad(top, before, [e if at else 0 for e, at in zip(empty, edge, strict=True)], math.nan)

    def _filled(self, x: Handle, sizes: Sequence[int]) -> tuple[list[int], list[int], dict[str, Any]]:
        """How many windows are empty at the end of each axis of x, how far the others hang over, and the words of ONNX.

        A window that starts behind the image and its padding has nothing in it: its value is put on at the end.
        """
        filled = [min(m, -(-(n + p) // s)) for m, (n, _, s, p) in zip(sizes, zip(*self, strict=True), strict=True)]
        ends = [(f - 1) * s + k - p for f, (_, k, s, p) in zip(filled, zip(*self, strict=True), strict=True)]
        words = {"kernel_shape": self.kernel, "strides": self.stride, "shape": (*x.shape[:2], *filled)}
        empty = [0, 0, *(m - f for m, f in zip(sizes, filled, strict=True))]
        return empty, [max(e - n, 0) for e, n in zip(ends, self.size, strict=True)], words

    def _average(self, g: Builder, x: Handle, over: Sequence[int], include_pad: bool, words: dict[str, Any]) -> Handle:
        """Caffe counts padding and not what hangs over beyond it; ONNX counts all pads, or none.

        What both kinds are in is padded with zeros first, so that no pad that is left may count.
        """
        pad = self.pad
        if not include_pad:
            return g.op("AveragePool", x, pads=(*pad, *over), count_include_pad=0, **words)
        if any(pad) and all(o <= p for o, p in zip(over, pad, strict=True)):
            return g.op("AveragePool", x, pads=(*pad, *over), count_include_pad=1, **words)
        counted = [min(o, p) for o, p in zip(over, pad, strict=True)]
        left = [o - c for o, c in zip(over, counted, strict=True)]
        padded = g.pad(x, (0, 0, *pad), (0, 0, *counted))
        return g.op("AveragePool", padded, pads=(*[0] * len(pad), *left), **words)


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
        return [(*x[:2], *self.windows(x).sized())]

    def windows(self, x: Shape) -> Windows:
        return Windows(x[2:], *self.window(x))

    def torch(self, em: Emitter, x: Term) -> str:
        kernel, stride, pad = self.window(x.shape)
        return em.call("pool_nd", x, kernel=kernel, stride=stride, pad=pad, average=self.pool == "AVE")

    def onnx(self, g: Builder, x: Handle) -> Sequence[Handle]:
        windows = self.windows(x.shape)
        sizes = windows.sized()
        return [windows.onnx_average(g, x, sizes)] if self.pool == "AVE" else windows.onnx_largest(g, x, sizes)

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0]) * count(self.window(bottoms[0])[0]) if self.pool == "AVE" else 0

    def summary(self) -> str:
        return f"{self.pool} {window_words(self.kernel, self.stride, self.pad)}"
