"""Pooling, with Caffe's own rule for the size of the top and the divisor of the average."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from caffe2py.layers.base import (
    LOWEST,
    Builder,
    Emitter,
    Handle,
    Layer,
    Misfit,
    Params,
    Shape,
    Term,
    count,
    layer,
    param,
    plain,
    read_fields,
    text,
    unsaid,
)
from caffe2py.layers.vision.pooling_nd import Windows
from caffe2py.layers.vision.spatial import at_least, window_words
from caffe2py.layers.vision.vnet_pooling import VNetPooling

Pair = tuple[int, int]
FILLED = "Caffe's code fills the top before it reads the bottom that lies there"


def read_pair(params: Params, word: str, stem: str, beside: bool = False) -> Pair | None:
    """One value for both axes (kernel_size), or one for each (kernel_h and kernel_w); None where none is given.

    `beside`: one of the two may stand beside the value for both, and is not read then.
    """
    one, h, w = (params.all(f"pooling_param.{name}") for name in (word, f"{stem}_h", f"{stem}_w"))
    if h and w and not one:
        return (h[0], w[0])
    if (h and w) or ((h or w) and not (one and beside)):
        raise Misfit(f"does not say its {stem} once; want {word}, or both {stem}_h and {stem}_w")
    if len(one) > 2:
        raise Misfit(f"gives {len(one)} values of {word}; want one, or two for the two axes that are pooled")
    return (one[0], one[-1]) if one else None


def read_rounding(params: Params) -> str:
    """CEIL or FLOOR, by the word of Caffe, or by those of the forks, which had theirs before."""
    ways = {
        "round_mode": params.get("pooling_param.round_mode", "CEIL"),
        "ceil_mode": "CEIL" if params.get("pooling_param.ceil_mode", True) else "FLOOR",
        "torch_pooling": "FLOOR" if params.get("pooling_param.torch_pooling", False) else "CEIL",
    }
    given = {word: mode for word, mode in ways.items() if params.has(f"pooling_param.{word}")}
    if len(set(given.values())) > 1:
        raise Misfit(f"says how sizes are rounded by {' and '.join(given)}, which differ; want one of them")
    return next(iter(given.values()), ways["round_mode"])


@layer("Pooling", tops=(1, 2))
class Pooling(Layer):
    """The largest value, or the average, of each window.

    x (N, C, H, W). The top has ceil((H + 2 pad - kernel) / stride) + 1 rows (round_mode FLOOR: floor; forks say it by
    ceil_mode: false, NVIDIA's by torch_pooling: true), less one where a pad is set and the last window would start
    outside the image and its padding on the left. An average divides by the part of the window that lies in the padded
    image: padding counts, what hangs over beyond it does not; with Intel's avg_include_pad: false padding does not
    either. A second top of MAX holds the index h * W + w of each maximum. NaN is the maximum of its window, which Caffe
    passes over. Source: pooling_layer.cpp.
    """

    pool: str = param("pooling_param.pool")
    kernel: Pair = (0, 0)
    stride: Pair = (1, 1)
    pad: Pair = (0, 0)
    global_pooling: bool = param("pooling_param.global_pooling")
    round_mode: str = "CEIL"
    include_pad: bool = param("pooling_param.avg_include_pad", True)
    outputs: int = 1
    cleared: bool = unsaid(False)  # its bottom was overwritten before it was read

    @classmethod
    def read(cls, params: Params) -> Layer:
        if any(len(params.all(f"pooling_param.{word}")) > 2 for word in ("kernel_size", "stride", "pad")):
            return VNetPooling.read(params)
        fields = read_fields(cls, params)
        kernel = read_pair(params, "kernel_size", "kernel", beside=True)
        if fields["global_pooling"]:
            if any(params.has(f"pooling_param.kernel_{word}") for word in ("size", "h", "w")):
                raise Misfit("gives a kernel and global_pooling; want one of the two")
        elif kernel is None:
            raise Misfit("gives no kernel_size; want one, or kernel_h and kernel_w, or global_pooling")
        words: dict[str, Any] = {
            "kernel": kernel or (0, 0),
            "stride": read_pair(params, "stride", "stride") or (1, 1),
            "pad": read_pair(params, "pad", "pad") or (0, 0),
            "outputs": len(params.message.top),
            "round_mode": read_rounding(params),
        }
        return cls(**fields, **words)

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if len(x) != 4:
            raise Misfit(f"has a bottom of shape {text(x)}; Caffe pools 4 axes (num, channels, height, width)")
        if self.pool == "STOCHASTIC":
            raise Misfit("pools STOCHASTIC, which Caffe has no CPU code for; want MAX or AVE")
        kernel, stride, pad = self.window(x)
        at_least(kernel, 1, "kernel_size")
        at_least(stride, 1, "stride")
        if any(p >= k for p, k in zip(pad, kernel, strict=True)):
            raise Misfit(f"has pad {plain(pad)} for kernel {plain(kernel)}; want a smaller pad")
        top = (*x[:2], *self.sized(x))
        return [top] * self.outputs

    def window(self, x: Shape) -> tuple[Pair, Pair, Pair]:
        """Kernel, stride and pad; a global pooling takes the whole image."""
        if self.global_pooling:
            if any(self.pad) or any(s != 1 for s in self.stride):
                raise Misfit("pools globally with a pad or a stride; want pad 0 and stride 1")
            return (x[2], x[3]), (1, 1), (0, 0)
        return self.kernel, self.stride, self.pad

    def sized(self, x: Shape) -> list[int]:
        """Rows and columns of the top. Caffe divides in float32."""
        kernel, stride, pad = self.window(x)
        return Windows(x[2:], kernel, stride, pad).sized(math.floor if self.round_mode == "FLOOR" else math.ceil)

    def torch_agrees(self) -> bool:
        """Does torch's own pooling give Caffe's windows, whatever the image's size?

        torch always drops a last window that starts outside; Caffe only where there is a pad. torch takes a pad
        of half the kernel at the most.
        """
        fits = all(2 * p <= k for p, k in zip(self.pad, self.kernel, strict=True))
        inside = any(self.pad) or all(s <= k for s, k in zip(self.stride, self.kernel, strict=True))
        return fits and (inside or self.round_mode == "FLOOR")

    def over(self, bottoms: Sequence[int]) -> tuple[Layer, str]:
        return self.changed(cleared=True), FILLED

    def torch(self, em: Emitter, x: Term) -> str:
        mask = len(em.tops) == 2
        if self.cleared:
            filled = f"torch.full_like({x}, {LOWEST if self.pool == 'MAX' else 0.0})"
            return f"{filled}, torch.full_like({x}, -1.0)" if mask else filled
        if self.global_pooling and self.pool == "AVE":
            return f"{x}.mean((2, 3), keepdim=True)"
        if self.global_pooling:
            called = f"F.adaptive_max_pool2d({x}, 1{', return_indices=True' if mask else ''})"
        elif not self.torch_agrees():
            settings: dict[str, Any] = {
                "kernel": self.kernel,
                "stride": self.stride,
                "pad": self.pad,
                "ceil": self.round_mode == "CEIL",
            }
            if self.pool == "AVE":
                settings |= {} if self.include_pad else {"include_pad": False}
                return em.call("average_windows", x, **settings)
            called = em.call("max_windows", x, **settings)
            return called if mask else f"{called}[0]"
        else:
            words = [x, str(plain(self.kernel)), str(plain(self.stride))]
            if any(self.pad):
                words.append(f"padding={plain(self.pad)}")
            if self.round_mode == "CEIL":
                words.append("ceil_mode=True")
            if self.pool == "AVE":
                words += [] if self.include_pad else ["count_include_pad=False"]
                return f"F.avg_pool2d({', '.join(words)})"
            called = f"F.max_pool2d({', '.join([*words, 'return_indices=True'] if mask else words)})"
        return em.call("with_float_index", called) if mask else called

    def onnx(self, g: Builder, x: Handle) -> Sequence[Handle]:
        mask = self.outputs == 2
        if self.cleared:
            fills = [g.lowest if self.pool == "MAX" else 0.0, -1.0]
            return [g.full(top, each) for top, each in zip(g.tops, fills, strict=False)]
        if self.global_pooling and not mask:
            return [g.op("GlobalAveragePool" if self.pool == "AVE" else "GlobalMaxPool", x)]
        windows, sizes = Windows(x.shape[2:], *self.window(x.shape)), self.sized(x.shape)
        if self.pool == "AVE":
            return [windows.onnx_average(g, x, sizes, self.include_pad)]
        return windows.onnx_largest(g, x, sizes, mask=mask)

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0]) * count(self.window(bottoms[0])[0]) if self.pool == "AVE" else 0

    def summary(self) -> str:
        window = "global" if self.global_pooling else window_words(self.kernel, self.stride, self.pad)
        return f"{self.pool} {window}" + ("" if self.round_mode == "CEIL" else " floor")
