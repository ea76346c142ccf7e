"""Convolutions and poolings whose borders are not Caffe's: the same pad on both ends, sizes rounded its own way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from caffe2py.frontends.caffe.arithmetic import multiply
from caffe2py.frontends.caffe.draft import Blob, Draft, Unsayable, limited
from caffe2py.frontends.caffe.moves import cut, pad

Ints = tuple[int, ...]


@dataclass(frozen=True)
class Window:
    """A window over the spatial axes: its border before and after the image on each axis."""

    kernel: Ints
    stride: Ints
    before: Ints
    after: Ints
    dilation: Ints = field(default=())

    @property
    def extent(self) -> Ints:
        """The places from a window's first to its last tap."""
        return tuple(
            (k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation or (1,) * len(self.kernel), strict=True)
        )


def per_axis(stem: str, values: Sequence[int], default: int, word: str = "") -> dict[str, object]:
    """A field for each axis (`kernel_h`, `kernel_w`), one for all where they are equal, none for the default."""
    one = word or stem
    if all(v == default for v in values):
        return {}
    if len(set(values)) == 1:
        return {one: values[0]}
    if len(values) == 2:
        return {f"{stem}_h": values[0], f"{stem}_w": values[1]}
    return {one: list(values)}


def _listed(words: dict[str, object]) -> dict[str, object]:
    """Fields of a convolution, which are lists in Caffe but for those of one axis."""
    return {
        k: [v] if k in ("kernel_size", "stride", "pad", "dilation") and isinstance(v, int) else v
        for k, v in words.items()
    }


def convolve(n: Draft, x: Blob, weight: np.ndarray, bias: np.ndarray | None, window: Window, group: int = 1) -> Blob:
    """A convolution. Of two unequal borders the larger is the pad, and the kernel gets taps of zero at the other end.

    Zeros around x that were said by a layer of their own become part of the border.
    """
    before, after = window.before, window.after
    if x in n.padded and len(window.kernel) == 2:
        x, more, still = n.padded[x]
        before = tuple(map(sum, zip(before, more, strict=True)))
        after = tuple(map(sum, zip(after, still, strict=True)))
    grown = [(b - a, d) for b, a, d in zip(before, after, window.dilation, strict=True)]
    if any(g % d for g, d in grown):  # the zeros would lie between the taps: a border of its own
        x = pad(n, x, (0, 0, *before), (0, 0, *after))
        before = after = (0,) * len(before)
        grown = [(0, 1)] * len(before)
    if any(g for g, _ in grown):
        taps = [(max(-g, 0) // d, max(g, 0) // d) for g, d in grown]
        limited(*weight.shape[:2], *(k + sum(t) for k, t in zip(weight.shape[2:], taps, strict=True)))
        weight = np.pad(weight, [(0, 0), (0, 0), *taps])
    words: dict[str, object] = {"num_output": weight.shape[0]}
    words |= _listed(per_axis("pad", [max(p) for p in zip(before, after, strict=True)], 0))
    words |= _listed(per_axis("kernel", weight.shape[2:], 0, "kernel_size"))
    words |= _listed(per_axis("stride", window.stride, 1))
    if any(d != 1 for d in window.dilation):
        words["dilation"] = list(window.dilation) if len(set(window.dilation)) > 1 else [window.dilation[0]]
    return _convolving(n, "Convolution", x, weight, bias, words, group)


def deconvolve(
    n: Draft, x: Blob, weight: np.ndarray, bias: np.ndarray | None, window: Window, out: Ints, group: int = 1
) -> Blob:
    """A transposed convolution with a top of `out` places: what Caffe would leave out is made by taps of zero at the
    end, what it makes too many is cut off."""
    sizes = zip(x.shape[2:], window.stride, window.extent, window.before, strict=True)
    lacking = [o - (s * (i - 1) + e - 2 * p) for o, (i, s, e, p) in zip(out, sizes, strict=True)]
    more = [-(-max(lack, 0) // d) for lack, d in zip(lacking, window.dilation, strict=True)]
    if any(more):
        limited(*weight.shape[:2], *(k + m for k, m in zip(weight.shape[2:], more, strict=True)))
        weight = np.pad(weight, [(0, 0), (0, 0), *((0, m) for m in more)])
    words: dict[str, object] = {"num_output": weight.shape[1] * group}
    words |= _listed(per_axis("pad", window.before, 0))
    words |= _listed(per_axis("kernel", weight.shape[2:], 0, "kernel_size"))
    words |= _listed(per_axis("stride", window.stride, 1))
    if any(d != 1 for d in window.dilation):
        words["dilation"] = list(window.dilation)
    made = _convolving(n, "Deconvolution", x, weight, bias, words, group)
    for axis, size in enumerate(out, 2):
        made = cut(n, made, axis, 0, size)
    return made


def _convolving(
    n: Draft, kind: str, x: Blob, weight: np.ndarray, bias: np.ndarray | None, words: dict[str, object], group: int
) -> Blob:
    if group > 1:
        words["group"] = group
    if bias is None:
        words["bias_term"] = False
    blobs = [weight] if bias is None else [weight, bias]
    return n.layer(kind, x, blobs=blobs, convolution_param=words)


def pooled_size(size: int, kernel: int, stride: int, pad: int, padded: bool, floor: bool = False) -> int:
    """How many windows Caffe's pooling has on an axis; `padded`: is there a pad on any axis?"""
    rounded = math.floor if floor else math.ceil
    out = int(rounded((size + 2 * pad - kernel) / stride)) + 1
    return out - (padded and (out - 1) * stride >= size + pad)


def pool(n: Draft, x: Blob, kind: str, window: Window, out: Ints, places: bool = False) -> tuple[Blob, ...]:
    """`out` windows, the first of which begins `before` ahead of the image: the largest value, or the average; with
    `places` also where in the image the largest stands.

    Caffe's own sizes where they are these. Else a pad with which there are enough windows, and those too many are cut
    off; or a rounding down, where the target knows it.
    """
    slices = n.target.has("slice_param.axis")
    if not slices and not places and not any(window.before):  # an empty window is NaN, which a convolution spreads
        for axis, (o, k, s) in enumerate(zip(out, window.kernel, window.stride, strict=True), 2):
            x = cut(n, x, axis, 0, min((o - 1) * s + k, x.shape[axis]))
    axes = list(zip(x.shape[2:], window.kernel, window.stride, out, window.before, strict=True))
    limited(max(window.kernel), 2048)  # as numbers of Python
    ways = []
    for floor in (False, True):
        for more in range(max(window.kernel)):
            pads = [b + more * s if b + more * s < k else b for (_, k, s, _, b) in axes]
            skips = [(p - b) // s for p, (_, _, s, _, b) in zip(pads, axes, strict=True)]
            made = [
                pooled_size(size, k, s, p, any(pads), floor) for (size, k, s, _, _), p in zip(axes, pads, strict=True)
            ]
            fits = all(p < k for p, k in zip(pads, window.kernel, strict=True))
            if fits and all(m - skip >= o for m, skip, (_, _, _, o, _) in zip(made, skips, axes, strict=True)):
                extra = sum(m - o for m, (_, _, _, o, _) in zip(made, axes, strict=True))
                ways.append((extra > 0, floor, extra, pads, skips))
    if not n.target.has("pooling_param.round_mode"):
        ways = [way for way in ways if not way[1]]
    if not ways:
        raise Unsayable(f"a pooling of {window.kernel} with borders {window.before} and {window.after}")
    too_many, floor, _, pads, skips = min(ways)
    if places and too_many and not slices:
        raise Unsayable("places of more windows than are wanted, which are whole numbers that no Slice cuts off")
    words: dict[str, object] = {"pool": kind, **per_axis("kernel", window.kernel, 0, "kernel_size")}
    words |= per_axis("stride", window.stride, 1) | per_axis("pad", pads, 0)
    if floor:
        words["round_mode"] = "FLOOR"
    tops = n.layers("Pooling", 2 if places else 1, x, pooling_param=words)
    if kind == "AVE":
        tops = (_divided(n, tops[0], x.shape[2:], window, tuple(pads), tuple(skips)),)
    for axis, (skip, size) in enumerate(zip(skips, out, strict=True), 2):
        tops = tuple(cut(n, top, axis, skip, skip + size) for top in tops)
    return tops


@dataclass(frozen=True)
class Average(Window):
    """A window of an average: whether its border counts as places, and places behind the border do not."""

    border_counts: bool = False


def _divided(n: Draft, x: Blob, sizes: Ints, window: Window, pads: Ints, skips: Ints) -> Blob:
    """Caffe's average divided by the count of places that is wanted, in place of Caffe's."""
    counts = isinstance(window, Average) and window.border_counts
    factors: list[np.ndarray] = []
    for i, out in enumerate(x.shape[2:]):
        k, s, size = window.kernel[i], window.stride[i], sizes[i]
        start = np.arange(out) * s - pads[i]
        caffe = np.minimum(start + k, size + pads[i]) - start
        low, high = (-window.before[i], size + window.after[i]) if counts else (0, size)
        wanted = np.minimum(start + k, high) - np.maximum(start, low)
        factors.append(caffe / np.maximum(wanted, 1))
    for i, skip in enumerate(skips):
        factors[i][:skip] = 1
    factor = factors[0]
    for more in factors[1:]:
        factor = factor[..., None] * more
    if (factor == factor.flat[0]).all():
        factor = factor.reshape(-1)[:1]
    if (factor == 1).all():
        return x
    made = multiply(n, x, factor.astype(np.float32))
    assert isinstance(made, Blob)
    return made
