"""LSTM and RNN over a sequence of known length."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from caffe2py.frontends.caffe.arithmetic import add
from caffe2py.frontends.caffe.draft import Blob, Draft, Unsayable
from caffe2py.frontends.caffe.moves import concat, cut, reshape, split, transpose
from caffe2py.frontends.onnx.node import Made, Node, Value, operator
from caffe2py.frontends.onnx.operators.reduction import turned

Step = Callable[[Node, Draft, Blob, int, int], tuple[Blob, list[Blob]]]


@operator("LSTM")
def lstm(node: Node, n: Draft) -> Made:
    """Caffe's LSTM for each direction; its gates stand in another order, and have one bias."""
    activations = [a.decode() for a in node.attr("activations", [])]
    if activations and [a.lower() for a in activations[:3]] != ["sigmoid", "tanh", "tanh"]:
        raise Unsayable(f"with {', '.join(activations)}; Caffe's has Sigmoid, Tanh, Tanh")
    if node.attr("clip") or node.attr("input_forget", 0):
        raise Unsayable("with a clip, or with coupled gates")
    if (peepholes := node.maybe(7, "peepholes")) is not None and peepholes.any():
        raise Unsayable("with peepholes, which Caffe's has not")
    return _directions(node, n, _lstm)


@operator("RNN")
def rnn(node: Node, n: Draft) -> Made:
    """Step by step, with weights that the steps share: Caffe's RNN puts another product behind each step."""
    if node.attr("clip"):
        raise Unsayable("with a clip")
    return _directions(node, n, _rnn)


def _directions(node: Node, n: Draft, step: Step) -> Made:
    """Y (T, directions, N, H), then the last states (directions, N, H), where they are asked for.

    With `layout` 1 the batch comes first: inputs and outputs are turned.
    """
    x, batch_first = node.blob(), bool(node.attr("layout", 0))
    if batch_first:
        x = transpose(n, x, [1, 0, 2])
    lengths = node.maybe(4, "sequence_lens")
    if lengths is not None and (lengths != x.shape[0]).any():
        raise Unsayable("with sequences of several lengths")
    direction = node.attr("direction", "forward")
    ways = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}[direction]
    outputs, states = [], []
    for i, backwards in enumerate(ways):
        run = turned(n, x, 0) if backwards and x.shape[0] > 1 else x
        y, last = step(node, n, run, i, len(ways))
        outputs.append(turned(n, y, 0) if backwards and x.shape[0] > 1 else y)
        states.append(last)
    t, batch, hidden = outputs[0].shape
    each = [reshape(n, y, (t, 1, batch, hidden)) for y in outputs]
    made = [concat(n, each, 1), *(concat(n, [s[k] for s in states], 0) for k in range(len(states[0])))]
    if batch_first:
        made = [transpose(n, made[0], [2, 0, 1, 3]), *(transpose(n, m, [1, 0, 2]) for m in made[1:])]
    return made


def _state(node: Node, n: Draft, i: int, way: int, ways: int, shape: Sequence[int]) -> Blob:
    """The state before the first step, (1, N, H)."""
    given: Value | None = node.optional(i)
    batch_first = bool(node.attr("layout", 0))
    if given is None:
        return n.constant(np.zeros(shape, np.float32))
    if isinstance(given, np.ndarray):
        ordered = given.swapaxes(0, 1) if batch_first else given
        return n.constant(np.ascontiguousarray(ordered[way : way + 1]))
    states = transpose(n, node.blob(i), [1, 0, 2]) if batch_first else node.blob(i)
    return states if ways == 1 else cut(n, states, 0, way, way + 1)


def _zero(value: Value | None) -> bool:
    return value is None or (isinstance(value, np.ndarray) and not value.any())


def _lstm(node: Node, n: Draft, x: Blob, way: int, ways: int) -> tuple[Blob, list[Blob]]:
    hidden = node.attr("hidden_size")
    order = [0, 2, 1, 3]  # input, output, forget, cell in ONNX; input, forget, output, cell in Caffe

    def gates(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values[g * hidden : (g + 1) * hidden] for g in order])

    weight, again = gates(node.known(1, "W")[way]), gates(node.known(2, "R")[way])
    both = node.maybe(3, "B")
    bias = (
        np.zeros(4 * hidden, np.float32) if both is None else gates(both[way][: 4 * hidden] + both[way][4 * hidden :])
    )
    t, batch = x.shape[:2]
    stateful = len(node.shapes) > 2 or not (_zero(node.optional(5)) and _zero(node.optional(6)))
    begins = np.ones((t, batch), np.float32)
    begins[0] = stateful  # a sequence begins where this is 0; with states that are given, it goes on
    bottoms = [x, n.constant(begins)]
    words: dict[str, object] = {"num_output": hidden}
    if stateful:
        bottoms += [_state(node, n, i, way, ways, (1, batch, hidden)) for i in (5, 6)]
        words["expose_hidden"] = True
    made = n.layers("LSTM", 3 if stateful else 1, *bottoms, blobs=[weight, bias, again], recurrent_param=words)
    last = list(made[1:]) if stateful else [cut(n, made[0], 0, t - 1, t)] if len(node.shapes) > 1 else []
    return made[0], last


def _rnn(node: Node, n: Draft, x: Blob, way: int, ways: int) -> tuple[Blob, list[Blob]]:
    hidden = node.attr("hidden_size")
    activations = [a.decode().lower() for a in node.attr("activations", [])] or ["tanh"] * ways
    layers = {"tanh": "TanH", "relu": "ReLU", "sigmoid": "Sigmoid"}
    if activations[way] not in layers:
        raise Unsayable(f"with {activations[way]}; want Tanh, Relu or Sigmoid")
    weight, again, both = node.known(1, "W")[way], node.known(2, "R")[way], node.maybe(3, "B")
    bias = np.zeros(hidden, np.float32) if both is None else both[way][:hidden] + both[way][hidden:]
    t, batch, size = x.shape
    flat = reshape(n, x, (t * batch, size))
    given = n.layer("InnerProduct", flat, blobs=[weight, bias], inner_product_param={"num_output": hidden})
    steps = split(n, given, 0, [batch] * t)
    state: Blob | None = None
    if not _zero(node.optional(5)):
        state = reshape(n, _state(node, n, 5, way, ways, (1, batch, hidden)), (batch, hidden))
    outputs = []
    words = {"num_output": hidden, "bias_term": False}
    shared = f"{node.name}/{way}/R"
    for step in steps:
        if state is not None:
            carried = n.layer("InnerProduct", state, blobs=[again], inner_product_param=words, param=[{"name": shared}])
            summed = add(n, step, carried)
            assert isinstance(summed, Blob)
            step = summed
        state = n.layer(layers[activations[way]], step)
        outputs.append(reshape(n, state, (1, batch, hidden)))
    return concat(n, outputs, 0), [outputs[-1]] if len(node.shapes) > 1 else []
