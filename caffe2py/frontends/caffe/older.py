"""What later Caffes have a layer or a field for, in the layers of earlier ones. Every way is exact."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from caffe2py.frontends.caffe.arithmetic import clip, power
from caffe2py.frontends.caffe.draft import Blob, Draft, Said, Unsayable, limited, otherwise
from caffe2py.frontends.caffe.moves import concat, reshape, split, tile
from caffe2py.layers.base import Shape


@otherwise("Clip")
def clipped(n: Draft, said: Said) -> tuple[Blob, ...]:
    """Two ReLUs."""
    low, high = said.word("clip_param.min"), said.word("clip_param.max")
    if (low, high) == (0, 6) and n.target.has("ReLU6"):
        return (n.layer("ReLU6", said.bottoms[0]),)
    return (clip(n, clip(n, said.bottoms[0], low, math.inf), -math.inf, high),)


@otherwise("Swish")
def swish(n: Draft, said: Said) -> tuple[Blob, ...]:
    (x,) = said.bottoms
    gate = n.layer("Sigmoid", power(n, x, scale=said.word("swish_param.beta", 1.0)))
    return (n.layer("Eltwise", x, gate, eltwise_param={"operation": "PROD"}),)


@otherwise("Parameter")
def constant(n: Draft, said: Said) -> tuple[Blob, ...]:
    """One number is a DummyData. Else an InnerProduct, or a Deconvolution, of a single 1: its weights."""
    (values,) = said.blobs
    if (values == values.flat[0]).all():
        return (_filled(n, values.shape, float(values.flat[0])),)
    if values.ndim == 4 and not n.target.has("Reshape"):
        one = _filled(n, (1, 1, 1, 1), 1.0)
        words = {"num_output": values.shape[1], "bias_term": False}
        words |= {"kernel_h": values.shape[2], "kernel_w": values.shape[3]}
        each = [n.layer("Deconvolution", one, blobs=[v[None]], convolution_param=words) for v in values]
        return (concat(n, each, 0),)
    words = {"num_output": values.size, "bias_term": False}
    flat = n.layer("InnerProduct", _filled(n, (1, 1), 1.0), blobs=[values.reshape(-1, 1)], inner_product_param=words)
    return (reshape(n, flat, values.shape),)


def _filled(n: Draft, shape: Shape, value: float) -> Blob:
    filler = [{"type": "constant", "value": value}]
    if n.target.has("dummy_data_param.shape"):
        return n.layer("DummyData", dummy_data_param={"shape": [{"dim": shape}], "data_filler": filler})
    if len(shape) > 4:
        raise Unsayable(f"a constant of {len(shape)} axes")
    sizes = dict(zip(("num", "channels", "height", "width"), ([d] for d in (*shape, 1, 1, 1, 1)), strict=False))
    return reshape(n, n.layer("DummyData", dummy_data_param={**sizes, "data_filler": filler}), shape)


@otherwise("BatchNorm")
def batch_norm(n: Draft, said: Said) -> tuple[Blob, ...]:
    """Stored statistics are a factor and a term for each channel."""
    if not said.word("batch_norm_param.use_global_stats"):
        raise Unsayable(f"takes its own statistics, as no layer of {n.target.name} does")
    mean, variance, count = (b.astype(np.float64) for b in said.blobs)
    factor = 1 / np.sqrt(variance / count + said.word("batch_norm_param.eps", 1e-5))
    made = _affine(n, said.bottoms[0], factor, -mean / count * factor)
    n.affine[made] = (said.bottoms[0], factor, -mean / count * factor)
    return (made,)


@otherwise("Scale")
def scale(n: Draft, said: Said) -> tuple[Blob, ...]:
    """A factor for each channel is a convolution of one tap and one channel; all else a product with what is spread
    to the shape of the bottom."""
    x = said.bottoms[0]
    if len(said.bottoms) == 1 and _by_channel(said, "scale_param"):
        factor, *terms = (b.astype(np.float64) for b in said.blobs)
        term = terms[0] if terms else None
        if x in n.affine:  # what BatchNorm does before
            x, before, shift = n.affine[x]
            factor, term = factor * before, factor * shift + (0 if term is None else term)
        return (_affine(n, x, factor, term),)
    return (n.layer("Eltwise", x, _spread(n, said, "scale_param"), eltwise_param={"operation": "PROD"}),)


@otherwise("Bias")
def bias(n: Draft, said: Said) -> tuple[Blob, ...]:
    """As `scale`."""
    x = said.bottoms[0]
    if len(said.bottoms) == 1 and _by_channel(said, "bias_param"):
        return (_affine(n, x, np.ones(x.shape[1]), said.blobs[0]),)
    return (n.layer("Eltwise", x, _spread(n, said, "bias_param"), eltwise_param={"operation": "SUM"}),)


def _by_channel(said: Said, block: str) -> bool:
    axis, axes = said.word(f"{block}.axis", 1), said.word(f"{block}.num_axes", 1)
    return (axis, axes) == (1, 1) and len(said.bottoms[0].shape) > 1


def _spread(n: Draft, said: Said, block: str) -> Blob:
    """The other operand, a blob or the layer's own values, in the shape of the bottom."""
    shape, axis = said.bottoms[0].shape, said.word(f"{block}.axis", 1)
    if len(said.bottoms) == 1:
        values = said.blobs[0]
        behind = len(shape) - axis - values.ndim
        return n.constant(np.broadcast_to(values.reshape(*values.shape, *[1] * behind), shape).copy())
    y = said.bottoms[1]
    aligned = (*[1] * axis, *y.shape, *[1] * (len(shape) - axis - len(y.shape)))
    flat = n.made_by(y, "Flatten", "Reshape")
    same = flat is not None and flat.bottoms[0].shape == aligned
    return tile(n, flat.bottoms[0] if flat is not None and same else reshape(n, y, aligned), shape)


def _affine(n: Draft, x: Blob, factor: np.ndarray, term: np.ndarray | None) -> Blob:
    """factor x + term, with one number for each channel."""
    channels = x.shape[1]
    blobs = [factor.astype(np.float32), *([] if term is None else [term.astype(np.float32)])]
    words: dict[str, object] = {"num_output": channels, **({"bias_term": False} if term is None else {})}
    if len(x.shape) == 2:
        limited(channels, channels)
        return n.layer("InnerProduct", x, blobs=[np.diag(blobs[0]), *blobs[1:]], inner_product_param=words)
    if len(x.shape) != 4:
        flat = reshape(n, x, (*x.shape[:2], math.prod(x.shape[2:]), 1))
        return reshape(n, _affine(n, flat, factor, term), x.shape)
    words |= {"kernel_size": [1], "group": channels}
    return n.layer("Convolution", x, blobs=[blobs[0].reshape(-1, 1, 1, 1), *blobs[1:]], convolution_param=words)


@otherwise("Tile")
def tiled(n: Draft, said: Said) -> tuple[Blob, ...]:
    """Rows or columns of images by a Deconvolution with ones; all else by a Concat of one blob with itself."""
    (x,) = said.bottoms
    axis, times = said.word("tile_param.axis", 1), said.word("tile_param.tiles")
    if len(x.shape) == 4 and axis >= 2 and x.shape[axis] == 1:
        channels, down = x.shape[1], axis == 2
        words = {"num_output": channels, "bias_term": False, "group": channels}
        words |= {"kernel_h": times if down else 1, "kernel_w": 1 if down else times}
        ones = np.ones((channels, 1, words["kernel_h"], words["kernel_w"]), np.float32)
        return (n.layer("Deconvolution", x, blobs=[ones], convolution_param=words),)
    return (concat(n, [x] * times, axis),)


@otherwise("ELU")
def elu(n: Draft, said: Said) -> tuple[Blob, ...]:
    """max(x, 0) + alpha (exp(min(x, 0)) - 1)."""
    (x,) = said.bottoms
    alpha = said.word("elu_param.alpha", 1.0)
    below = power(n, n.layer("ReLU", power(n, x, scale=-1)), scale=-1)
    less = power(n, n.layer("Exp", below), scale=alpha, shift=-alpha)
    return (n.layer("Eltwise", n.layer("ReLU", x), less, eltwise_param={"operation": "SUM"}),)


@otherwise("PReLU")
def prelu(n: Draft, said: Said) -> tuple[Blob, ...]:
    """One slope is a ReLU's; else what is above 0 and what is below, apart."""
    (x,), (slopes,) = said.bottoms, said.blobs
    if slopes.size == 1:
        return (n.layer("ReLU", x, relu_param={"negative_slope": float(slopes.reshape(-1)[0])}),)
    below = n.layer("ReLU", power(n, x, scale=-1))
    below = n.layer("Scale", below, blobs=[slopes], scale_param={"axis": 1})
    return (n.layer("Eltwise", n.layer("ReLU", x), below, eltwise_param={"operation": "SUM", "coeff": [1, -1]}),)


@otherwise("Concat")
def concatenated(n: Draft, said: Said) -> tuple[Blob, ...]:
    """Samples and channels by `concat_dim`."""
    axis = said.word("concat_param.axis")
    if axis > 1:
        raise Unsayable(f"a Concat along axis {axis}; {n.target.name} joins samples and channels")
    return (n.layer("Concat", *said.bottoms, concat_param={"concat_dim": axis}),)


@otherwise("Slice")
def sliced(n: Draft, said: Said) -> tuple[Blob, ...]:
    """Samples and channels by `slice_dim`, rows and columns by convolutions of one channel with a single 1."""
    (x,) = said.bottoms
    axis, points = said.word("slice_param.axis"), said.word("slice_param.slice_point")
    if axis < 2:
        return n.layers("Slice", said.tops, x, slice_param={"slice_dim": axis, "slice_point": points})
    if len(x.shape) != 4:
        raise Unsayable(f"a Slice along axis {axis}; {n.target.name} cuts samples and channels")
    return tuple(_cut(n, x, axis, a, b) for a, b in pairwise([0, *points, x.shape[axis]]))


def _cut(n: Draft, x: Blob, axis: int, start: int, stop: int) -> Blob:
    channels, rows = x.shape[1], axis == 2
    length = x.shape[axis] - (stop - start) + 1
    limited(channels, length)
    weight = np.zeros((channels, 1, length), np.float32)
    weight[..., start] = 1
    words = {"num_output": channels, "bias_term": False, "group": channels}
    words |= {"kernel_h": length if rows else 1, "kernel_w": 1 if rows else length}
    return n.layer("Convolution", x, blobs=[weight[..., None] if rows else weight[:, :, None]], convolution_param=words)


@otherwise("Convolution", "Deconvolution")
def dilated(n: Draft, said: Said) -> tuple[Blob, ...]:
    """A kernel with gaps is a larger one with zeros between its taps."""
    weight, *rest = said.blobs
    given = said.word("convolution_param.dilation")
    if given is None or weight.ndim != 4:
        raise Unsayable(f"a convolution of {weight.ndim - 2} axes, which {n.target.name} has not")
    gaps = [*given] * (1 if len(given) > 1 else 2)
    sizes = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], gaps, strict=True)]
    limited(*weight.shape[:2], *sizes)
    grown = np.zeros((*weight.shape[:2], *sizes), weight.dtype)
    grown[:, :, :: gaps[0], :: gaps[1]] = weight
    words = {k: v for k, v in said.params["convolution_param"].items() if not k.startswith(("dilation", "kernel"))}
    words |= {"kernel_h": sizes[0], "kernel_w": sizes[1]}
    return (n.layer(said.type, said.bottoms[0], blobs=[grown, *rest], convolution_param=words),)


@otherwise("LSTM")
def lstm(n: Draft, said: Said) -> tuple[Blob, ...]:
    """Step by step, with weights that the steps share. Without states that are given the first begins from none."""
    x, _, *states = said.bottoms
    weight, bias, again = said.blobs
    (t, batch, size), hidden = x.shape, said.word("recurrent_param.num_output")
    words = {"num_output": 4 * hidden}
    given = n.layer("InnerProduct", reshape(n, x, (t * batch, size)), blobs=[weight, bias], inner_product_param=words)
    shared = [{"name": f"steps of {len(n.entries)}"}]
    h, c = (reshape(n, s, (batch, hidden)) for s in states) if states else (None, None)
    outputs = []
    for step in split(n, given, 0, [batch] * t):
        if h is not None:
            unbiased = {**words, "bias_term": False}
            carried = n.layer("InnerProduct", h, blobs=[again], inner_product_param=unbiased, param=shared)
            step = n.layer("Eltwise", step, carried, eltwise_param={"operation": "SUM"})
        gates = split(n, step, 1, [hidden] * 4)  # input, forget, output, cell
        i, f, o = (n.layer("Sigmoid", gate) for gate in gates[:3])
        new = n.layer("Eltwise", i, n.layer("TanH", gates[3]), eltwise_param={"operation": "PROD"})
        if c is not None:
            kept = n.layer("Eltwise", f, c, eltwise_param={"operation": "PROD"})
            new = n.layer("Eltwise", kept, new, eltwise_param={"operation": "SUM"})
        c = new
        h = n.layer("Eltwise", o, n.layer("TanH", c), eltwise_param={"operation": "PROD"})
        outputs.append(reshape(n, h, (1, batch, hidden)))
    assert c is not None
    return (concat(n, outputs, 0), outputs[-1], reshape(n, c, (1, batch, hidden)))[: said.tops]
