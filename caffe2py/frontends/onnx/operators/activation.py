"""Functions of one value: what a layer of Caffe is named after, and what Power, Clip and Eltwise say together."""

from __future__ import annotations

import math

import numpy as np

from caffe2py.frontends.caffe.arithmetic import add, clip, divide, multiply, negative, power, subtract
from caffe2py.frontends.caffe.draft import Blob, Draft, Unsayable
from caffe2py.frontends.caffe.reductions import reduce, softmax
from caffe2py.frontends.onnx.node import Made, Node, axis_of, operator

LAYERS = {"Sigmoid": "Sigmoid", "Tanh": "TanH", "Softplus": "BNLL", "Exp": "Exp", "Log": "Log", "Abs": "AbsVal"}
POWERS = {"Sqrt": {"power": 0.5}, "Reciprocal": {"power": -1.0}, "Neg": {"scale": -1.0}}


@operator(*LAYERS)
def plain(node: Node, n: Draft) -> Made:
    return n.layer(LAYERS[node.op], node.blob())


@operator(*POWERS)
def powers(node: Node, n: Draft) -> Made:
    return power(n, node.blob(), **POWERS[node.op])


@operator("Relu")
def relu(node: Node, n: Draft) -> Made:
    return n.layer("ReLU", node.blob())


@operator("LeakyRelu")
def leaky_relu(node: Node, n: Draft) -> Made:
    return n.layer("ReLU", node.blob(), relu_param={"negative_slope": node.attr("alpha", 0.01)})


@operator("PRelu")
def prelu(node: Node, n: Draft) -> Made:
    """Slopes for each channel by PReLU; others, x > 0 and x < 0 apart."""
    x, slope = node.blob(), node.known(1, "slope")
    rank = len(x.shape)
    per_channel = rank > 1 and slope.size == x.shape[1] and slope.ndim in (rank - 1, rank) and slope.ndim > 0
    place = slope.ndim - rank + 1
    if rank > 1 and slope.size == 1 and slope.ndim <= rank:
        return n.layer("PReLU", x, blobs=[slope.reshape(())], prelu_param={"channel_shared": True})
    if per_channel and place >= 0 and slope.shape[place] == slope.size:
        return n.layer("PReLU", x, blobs=[slope.reshape(-1)])
    below = multiply(n, n.layer("ReLU", power(n, x, scale=-1)), slope)
    return subtract(n, n.layer("ReLU", x), below)


@operator("Elu")
def elu(node: Node, n: Draft) -> Made:
    return n.layer("ELU", node.blob(), elu_param={"alpha": node.attr("alpha", 1.0)})


@operator("Clip")
def clipped(node: Node, n: Draft) -> Made:
    low, high = (node.given(i, word, default) for i, word, default in ((1, "min", -math.inf), (2, "max", math.inf)))
    limit = float(np.finfo(np.float32).max)
    low, high = (float(np.asarray(v).reshape(-1)[0]) for v in (low, high))
    return clip(n, node.blob(), -math.inf if low <= -limit else low, math.inf if high >= limit else high)


def hard_sigmoid(n: Draft, x: Blob, alpha: float, beta: float) -> Blob:
    """clip(alpha x + beta, 0, 1)."""
    return clip(n, power(n, x, scale=alpha, shift=beta), 0, 1)


@operator("HardSigmoid")
def hard_sigmoids(node: Node, n: Draft) -> Made:
    return hard_sigmoid(n, node.blob(), node.attr("alpha", 0.2), node.attr("beta", 0.5))


@operator("HardSwish")
def hard_swish(node: Node, n: Draft) -> Made:
    return multiply(n, node.blob(), hard_sigmoid(n, node.blob(), 1 / 6, 0.5))


@operator("Swish")
def swish(node: Node, n: Draft) -> Made:
    alpha = node.attr("alpha", 1.0)
    return n.layer("Swish", node.blob(), swish_param={} if alpha == 1 else {"beta": alpha})


@operator("Softsign")
def softsign(node: Node, n: Draft) -> Made:
    return divide(n, node.blob(), power(n, n.layer("AbsVal", node.blob()), shift=1))


@operator("Pow")
def pow_(node: Node, n: Draft) -> Made:
    base, exponent = node.value(0), node.value(1)
    if isinstance(exponent, np.ndarray) and exponent.size == 1 and exponent.ndim <= len(node.blob().shape):
        return power(n, node.blob(), power=float(exponent.reshape(-1)[0]))
    if isinstance(base, np.ndarray) and base.size == 1 and float(base.reshape(-1)[0]) > 0:
        return n.layer("Exp", node.blob(1), exp_param={"base": float(base.reshape(-1)[0])})
    raise Unsayable("a power of two blobs; want one exponent, or one positive base")


@operator("Softmax", "LogSoftmax")
def softmaxes(node: Node, n: Draft) -> Made:
    """Before opset 13 the axes from `axis` on count as one. The logarithm is x - max - log sum exp(x - max), since
    Caffe's Log of its Softmax loses what is very small."""
    x = node.blob()
    axis = axis_of(node.attr("axis", -1 if node.opset >= 13 else 1), len(x.shape))
    if node.op == "Softmax":
        return softmax(n, x, axis, flat=node.opset < 13)
    axes = range(axis, len(x.shape)) if node.opset < 13 else [axis]
    below = subtract(n, x, reduce(n, x, "MAX", axes, keep=True))
    assert isinstance(below, Blob)
    total = reduce(n, n.layer("Exp", below), "SUM", axes, keep=True)
    return add(n, below, negative(n, n.layer("Log", total)))
