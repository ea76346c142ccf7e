"""Unpooling: larger maps, each value at the place of its window that a pooling took it from."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import (
    Builder,
    Emitter,
    Handle,
    Layer,
    Misfit,
    Params,
    Shape,
    Term,
    layer,
    param,
    read_fields,
    text,
)
from caffe2py.layers.vision.resizing.upsample import onnx_unpool
from caffe2py.layers.vision.spatial import read_spatial, spread


@layer("Unpooling", bottoms=(1, 2), fork="DeconvNet", formula=True)
class Unpooling(Layer):
    """Zeros, and each value of x where the mask counts, h * W' + w; without a mask at the first place of its window.

    x and mask (N, C, H, W). The top has stride (H - 1) + kernel - 2 pad rows, or unpool_size, where that is given; of
    several values for one place the last is taken. From unpooling_layer.cpp of HyeonwooNoh/DeconvNet; nobody ran it for
    a record. What AVE and TILE do is not known.
    """

    unpool: str = param("unpooling_param.unpool", "MAX")
    unpool_size: int = param("unpooling_param.unpool_size", 0)
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    pad: tuple[int, ...] = ()

    @classmethod
    def read(cls, params: Params) -> Layer:
        pairs = {"kernel": "kernel_size", "stride": "stride", "pad": "pad"}
        words = {name: read_spatial(params, "unpooling_param", word, name) for name, word in pairs.items()}
        return cls(**read_fields(cls, params), **words)

    def shapes(self, x: Shape, *mask: Shape) -> Sequence[Shape]:
        if self.unpool != "MAX":
            raise Misfit(f"unpools {self.unpool}, whose rule is not known; want MAX")
        if len(x) != 4 or any(m != x for m in mask):
            raise Misfit(f"has bottoms {', '.join(map(text, (x, *mask)))}; want (num, channels, height, width)")
        kernel, stride, pad = self.window()
        sizes = [s * (n - 1) + k - 2 * p for n, k, s, p in zip(x[2:], kernel, stride, pad, strict=True)]
        return [(*x[:2], *([self.unpool_size] * 2 if self.unpool_size else sizes))]

    def window(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        return (
            spread(self.kernel, 2, None, "kernel_size"),
            spread(self.stride, 2, 1, "stride"),
            spread(self.pad, 2, 0, "pad"),
        )

    def firsts(self, x: Shape, top: Shape) -> list[int]:
        """The first place of each window in a map of the top."""
        _, stride, pad = self.window()
        rows, columns = ([max(i * s - p, 0) for i in range(n)] for n, s, p in zip(x[2:], stride, pad, strict=True))
        if max(rows) >= top[2] or max(columns) >= top[3]:
            raise Misfit(f"makes {text(top)}, in which not all windows begin; want a larger unpool_size")
        return [row * int(top[3]) + column for row in rows for column in columns]

    def torch(self, em: Emitter, x: Term, *mask: Term) -> str:
        size = tuple(em.tops[0][2:])
        if mask:
            return em.call("unpool", x, mask[0], size=size)
        places = f"torch.tensor({self.firsts(x.shape, em.tops[0])}, device={x}.device)"
        return em.call("unpool", x, f"{places}.view(1, 1, *{x}.shape[2:]).expand_as({x})", size=size)

    def onnx(self, g: Builder, x: Handle, *mask: Handle) -> Handle:
        if mask:
            return onnx_unpool(g, x, mask[0])
        firsts = g.reshape(g.constant(self.firsts(x.shape, g.tops[0]), "places"), (1, 1, *x.shape[2:]))
        return onnx_unpool(g, x, g.op("Expand", firsts, g.shape(x.shape), shape=x.shape))
