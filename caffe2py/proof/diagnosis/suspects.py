"""The usual mistakes of a translation, by layer type: what the layer would be, had one been made.

Each suspect is a sentence about the reference, and the layer that would agree with it. A mistake of the reference's
and one of ours look the same from here: the sentence says how the two differ, not who is right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import Any

import numpy as np

from caffe2py.graph import Node, Value
from caffe2py.layers.base import Emitter, Layer, Shape, Term
from caffe2py.layers.vision.pooling import Pooling
from caffe2py.layers.vision.spatial import spread

MOST_ORDERS = 24  # of bottoms or gates


@dataclass(frozen=True)
class Variant:
    """A layer as it would be with one mistake. `fed` replaces values that it reads."""

    cause: str
    node: Node
    fed: Mapping[Value, np.ndarray] = field(default_factory=dict)


Variants = Iterator[Variant]

# Fields that are often read, written or defaulted wrongly, and the values they then have.
FIELDS: dict[str, dict[str, tuple[Any, ...]]] = {
    "BatchNorm": {
        "eps": (1e-3, 1e-4, 2e-5, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-2, 0.0),
        "use_global_stats": (True, False),
    },
    "Concat": {"axis": (0, 1, 2, 3)},
    "ELU": {"alpha": (0.1, 0.2, 0.5, 1.0)},
    "Eltwise": {"operation": ("SUM", "PROD", "MAX"), "coeff": ((),)},
    "LRN": {
        "norm_region": ("ACROSS_CHANNELS", "WITHIN_CHANNEL"),
        "k": (1.0, 2.0, 0.0),
        "alpha": (1e-4, 1.0),
        "beta": (0.75, 0.5, 5.0),
        "local_size": (3, 5, 7, 9),
    },
    "MVN": {"normalize_variance": (True, False), "across_channels": (True, False), "eps": (1e-9, 1e-5, 1e-6, 1e-10)},
    "Pooling": {"round_mode": ("CEIL", "FLOOR"), "pool": ("MAX", "AVE"), "pad": ((0, 0), (1, 1))},
    "ReLU": {"negative_slope": (0.0, 0.01, 0.05, 0.1, 0.2, 0.25, 0.3, 1 / 3, 1.0)},
    "Reduction": {"operation": ("SUM", "ASUM", "SUMSQ", "MEAN"), "coeff": (1.0,)},
    "Softmax": {"axis": (0, 1, 2, 3, -1)},
    "Swish": {"beta": (1.0, 1.702)},
}
WORDS = {
    "alpha": "alpha",
    "negative_slope": "leaky or plain ReLU: the slope below zero",
    "round_mode": "ceil or floor: the rounding of the top's size",
    "use_global_stats": "stored or batch statistics: use_global_stats",
    "pool": "maximum or average: pool",
    "pad": "padding",
}


def variants(node: Node, bottoms: Sequence[np.ndarray]) -> Variants:
    """Every usual mistake that this layer can have suffered."""
    yield from _fields(node)
    yield from MISTAKES.get(node.type, _none)(node, bottoms)
    yield from _operands(node)
    yield from _without_bias(node)
    if len(node.bottoms) >= 1 and len(node.tops) == 1 and node.layer.type not in ("Split", "Input"):
        yield Variant("the layer is not applied in the reference", replace(node, layer=_Nothing(), weights=()))


def _fields(node: Node) -> Variants:
    for name, values in FIELDS.get(node.type, {}).items():
        have = getattr(node.layer, name, None)
        for value in values:
            if value != have:
                yield Variant(differs(WORDS.get(name, name), value, have), with_fields(node, **{name: value}))


def differs(what: str, theirs: Any, ours: Any) -> str:
    return f"{what}: {_word(theirs)} in the reference, {_word(ours)} in ours"


def _word(value: Any) -> str:
    if isinstance(value, tuple):
        return "x".join(map(_word, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def with_fields(node: Node, **fields: Any) -> Node:
    return replace(node, layer=replace(node.layer, **fields))  # type: ignore[type-var]


def with_blob(node: Node, index: int, array: np.ndarray) -> Node:
    """The layer with another blob `index`, in the same shape."""
    weights = list(node.weights)
    weights[index] = replace(weights[index], data=np.ascontiguousarray(array).reshape(weights[index].shape))
    return replace(node, weights=tuple(weights))


def blob_named(node: Node, name: str) -> tuple[int, np.ndarray] | None:
    """A learned blob by its name, and where it stands; None where the layer has none, or no weights were given."""
    for i, w in enumerate(node.weights):
        if w.name == name and w.data is not None:
            return i, w.data
    return None


# What any layer can suffer


def _operands(node: Node) -> Variants:
    """Bottoms read in another order."""
    n = len(node.bottoms)
    if len(set(node.bottoms)) < 2:
        return
    orders = list(permutations(range(n)))[1 : MOST_ORDERS + 1] if n <= 4 else [tuple(reversed(range(n)))]
    for order in orders:
        said = ", ".join(str(node.bottoms[i]) for i in order)
        yield Variant(
            f"operands swapped: the reference reads them as {said}",
            replace(node, bottoms=tuple(node.bottoms[i] for i in order)),
        )


def _without_bias(node: Node) -> Variants:
    found = blob_named(node, "bias")
    if found is not None and found[1].any():
        yield Variant("bias: the reference adds none", with_blob(node, found[0], np.zeros_like(found[1])))


def _none(node: Node, bottoms: Sequence[np.ndarray]) -> Variants:
    return iter(())


@dataclass(frozen=True)
class _Nothing(Layer):
    """A layer that hands its first bottom on."""

    type = "(nothing)"

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        return bottoms[:1]

    def torch(self, em: Emitter, *bottoms: Term) -> str:
        return str(bottoms[0])


# What the types can suffer


def _batch_norm(node: Node, bottoms: Sequence[np.ndarray]) -> Variants:
    mean, variance, factor = (blob_named(node, name) for name in ("mean", "variance", "scale_factor"))
    if mean is None or variance is None or factor is None:
        return
    if factor[1].reshape(-1)[0] != 1:
        ignored = with_blob(node, factor[0], np.ones_like(factor[1]))
        yield Variant("scale factor: ignored in the reference (blob 2 taken for 1)", ignored)
    yield Variant("mean: not subtracted in the reference", with_blob(node, mean[0], np.zeros_like(mean[1])))
    eps = getattr(node.layer, "eps", 1e-5)
    scale = float(factor[1].reshape(-1)[0]) or 1.0
    squared = (np.square(variance[1] / scale + eps) - eps) * scale
    yield Variant("variance: the reference divides by it, not by its root", with_blob(node, variance[0], squared))
    outside = (np.square(np.sqrt(variance[1] / scale) + eps) - eps) * scale
    yield Variant("eps: added to the root in the reference, not under it", with_blob(node, variance[0], outside))


def _scale(node: Node, bottoms: Sequence[np.ndarray]) -> Variants:
    weight, bias = blob_named(node, "weight"), blob_named(node, "bias")
    if weight is not None:
        yield Variant("scale: not applied in the reference", with_blob(node, weight[0], np.ones_like(weight[1])))
        if bias is not None:
            swapped = with_blob(with_blob(node, weight[0], bias[1]), bias[0], weight[1])
            yield Variant("scale and bias swapped", swapped)


def _windowed(node: Node, bottoms: Sequence[np.ndarray]) -> Variants:
    yield from _geometry(node, bottoms)
    found = blob_named(node, "weight")
    if found is None:
        return
    i, w = found
    if w.shape[1] == 3 and getattr(node.layer, "group", 1) == 1:
        yield Variant("channel order: RGB for BGR, the input channels are reversed", with_blob(node, i, w[:, ::-1]))
    if w.ndim > 2:
        turned = w[(slice(None), slice(None), *(slice(None, None, -1),) * (w.ndim - 2))]
        yield Variant("kernel flipped: a true convolution in the reference", with_blob(node, i, turned))
    if w.ndim == 4:
        swapped = w.transpose(0, 1, 3, 2)
        yield Variant("height and width of the kernel swapped", with_blob(node, i, swapped))
        for cause, axes in (("(in, out, h, w)", (1, 0, 2, 3)), ("(h, w, in, out)", (2, 3, 1, 0))):
            stored = w.transpose(axes)
            back = w.reshape(stored.shape).transpose(np.argsort(axes))
            yield Variant(f"weights transposed: the reference takes them as {cause}", with_blob(node, i, back))
            yield Variant(f"weights transposed: ours are as {cause}", with_blob(node, i, stored))
    group = getattr(node.layer, "group", 1)
    if group > 1:
        yield from _groups(node, i, w, bottoms[0], group)


def _groups(node: Node, i: int, w: np.ndarray, x: np.ndarray, group: int) -> Variants:
    """Channels dealt to the groups in turn, not in runs."""
    channels = x.shape[1]
    dealt = np.arange(channels).reshape(group, -1).T.ravel()
    yield Variant(
        "group order: the reference deals the input channels to the groups in turn",
        node,
        {node.bottoms[0]: x[:, dealt]},
    )
    outputs = np.arange(w.shape[0]).reshape(group, -1)
    yield Variant("group order: the groups are reversed", with_blob(node, i, w[outputs[::-1].ravel()]))


def _geometry(node: Node, bottoms: Sequence[np.ndarray]) -> Variants:
    """Stride, pad and dilation that were lost or invented, and pairs whose height and width were swapped."""
    layer: Any = node.layer
    axes = max(bottoms[0].ndim - 2, 1)
    kernel = spread(layer.kernel, axes, None, "kernel")
    stride, pad, dilation = (
        spread(v, axes, d, "") for v, d in ((layer.stride, 1), (layer.pad, 0), (layer.dilation, 1))
    )
    for other in {(1,) * axes, (2,) * axes, (3,) * axes, (4,) * axes, dilation[::-1]} - {dilation}:
        # Who loses the dilation may keep the top's size, by the pad that goes with it.
        moved = tuple(p + (o - d) * (k - 1) // 2 for p, o, d, k in zip(pad, other, dilation, kernel, strict=True))
        for pads in dict.fromkeys([pad, moved]):
            if min(pads) >= 0:
                cause = differs("dilation", other, dilation)
                yield Variant(cause, with_fields(node, dilation=other, pad=pads))
    same = tuple((d * (k - 1)) // 2 for d, k in zip(dilation, kernel, strict=True))
    for other in {(0,) * axes, (1,) * axes, same, pad[::-1]} - {pad}:
        yield Variant(differs("padding", other, pad), with_fields(node, pad=other))
    for other in {(1,) * axes, (2,) * axes, (3,) * axes, stride[::-1]} - {stride}:
        yield Variant(differs("stride", other, stride), with_fields(node, stride=other))


def _inner_product(node: Node, bottoms: Sequence[np.ndarray]) -> Variants:
    found = blob_named(node, "weight")
    if found is None:
        return
    i, w = found
    yield Variant(
        "weights transposed: the reference takes them as (inputs, outputs)",
        with_blob(node, i, w.reshape(w.shape[::-1]).T),
    )
    yield Variant("weights transposed: ours are as (inputs, outputs)", with_blob(node, i, w.T))
    shape = bottoms[0].shape[getattr(node.layer, "axis", 1) :]
    if len(shape) == 3 and not getattr(node.layer, "transpose", False):
        n, (c, h, wide) = w.shape[0], shape
        last = w.reshape(n, h, wide, c).transpose(0, 3, 1, 2)
        first = w.reshape(n, c, h, wide).transpose(0, 2, 3, 1)
        yield Variant("flattened with the channels last in the reference", with_blob(node, i, last))
        yield Variant("flattened with the channels last in ours", with_blob(node, i, first))


@dataclass(frozen=True)
class _Uncounted(Pooling):
    """Averages over what lies in the image alone, or over whole windows always."""

    divisor: int | None = None

    def torch(self, em: Emitter, *bottoms: Term) -> str:
        settings = f"padding={self.pad}, ceil_mode={self.round_mode == 'CEIL'}, count_include_pad=False"
        return f"F.avg_pool2d({bottoms[0]}, {self.kernel}, {self.stride}, {settings}, divisor_override={self.divisor})"


def _pooling(node: Node, bottoms: Sequence[np.ndarray]) -> Variants:
    layer = node.layer
    assert isinstance(layer, Pooling)
    if layer.global_pooling:
        return
    for name in ("kernel", "stride", "pad"):
        pair = getattr(layer, name)
        if pair[0] != pair[1]:
            yield Variant(f"height and width of the {name} swapped", with_fields(node, **{name: pair[::-1]}))
    if layer.pool == "AVE":
        known = dict(vars(layer))
        inside = replace(node, layer=_Uncounted(**known))
        yield Variant("padding: not counted in the averages of the reference", inside)
        whole = replace(node, layer=_Uncounted(**known, divisor=layer.kernel[0] * layer.kernel[1]))
        yield Variant("divisor: always the whole window in the reference", whole)


def _lrn(node: Node, bottoms: Sequence[np.ndarray]) -> Variants:
    layer: Any = node.layer
    n = layer.local_size if layer.norm_region == "ACROSS_CHANNELS" else layer.local_size**2
    yield Variant("alpha: not divided by the size in the reference", with_fields(node, alpha=layer.alpha * n))
    yield Variant("alpha: divided by the size once more in the reference", with_fields(node, alpha=layer.alpha / n))


def _prelu(node: Node, bottoms: Sequence[np.ndarray]) -> Variants:
    for i, w in enumerate(node.weights[:1]):
        if w.data is not None:
            zero, first = np.zeros_like(w.data), np.full_like(w.data, w.data.reshape(-1)[0])
            yield Variant("leaky or plain ReLU: the slopes are 0 in the reference", with_blob(node, i, zero))
            yield Variant("slopes: the first channel's for all in the reference", with_blob(node, i, first))


def _dropout(node: Node, bottoms: Sequence[np.ndarray]) -> Variants:
    x, ratio = bottoms[0], getattr(node.layer, "ratio", 0.5)
    yield Variant("dropout: scales in phase TEST in the reference", node, {node.bottoms[0]: x * (1 - ratio)})
    yield Variant("dropout: scales in phase TEST in the reference", node, {node.bottoms[0]: x / (1 - ratio)})


def _lstm(node: Node, bottoms: Sequence[np.ndarray]) -> Variants:
    yield Variant("cont: ignored in the reference", node, {node.bottoms[1]: np.ones_like(bottoms[1])})
    for order in list(permutations(range(4)))[1:]:
        changed = node
        for i, w in enumerate(node.weights):
            if w.data is not None:
                gates = w.data.reshape(4, -1, *w.shape[1:])
                changed = with_blob(changed, i, gates[list(order)])
        said = ", ".join("ifog"[k] for k in order)
        yield Variant(f"gate order: i, f, o, g in ours, {said} of them in the reference", changed)
    yield from _recurrent(node, bottoms)


def _recurrent(node: Node, bottoms: Sequence[np.ndarray]) -> Variants:
    for i, w in enumerate(node.weights):
        if w.data is not None and len(w.shape) == 2:
            cause = f"{w.name} transposed in the reference"
            yield Variant(cause, with_blob(node, i, w.data.reshape(w.shape[::-1]).T))
            if w.shape[0] != w.shape[1]:
                yield Variant(f"{w.name} transposed in ours", with_blob(node, i, w.data.T))


def _rnn(node: Node, bottoms: Sequence[np.ndarray]) -> Variants:
    yield Variant("cont: ignored in the reference", node, {node.bottoms[1]: np.ones_like(bottoms[1])})
    yield from _recurrent(node, bottoms)


MISTAKES: Mapping[str, Callable[[Node, Sequence[np.ndarray]], Variants]] = {
    "BatchNorm": _batch_norm,
    "Convolution": _windowed,
    "Deconvolution": _windowed,
    "Dropout": _dropout,
    "InnerProduct": _inner_product,
    "LRN": _lrn,
    "LSTM": _lstm,
    "PReLU": _prelu,
    "Pooling": _pooling,
    "RNN": _rnn,
    "Scale": _scale,
}
