"""Small ONNX models, an operator each: what Caffe's layers must say exactly, and what they cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx

from tests.helpers.onnx_models import ints, model, node, saved, weights

IMAGE = {"x": (2, 4, 9, 8)}


class Said(NamedTuple):
    """A model: its nodes, the shapes of its inputs, its constants, and the layers that must say it."""

    nodes: Sequence[onnx.NodeProto]
    shapes: Mapping[str, Sequence[Any]] = IMAGE
    constants: Mapping[str, np.ndarray] = {}
    layers: str = ""  # the types that say it in Caffe's master branch, where the case is about them
    opset: int = 17
    outputs: str = "y"
    whole: Sequence[str] = ()
    low: float = -2.0  # of the input's values; a logarithm wants them above 0


def path_of(said: Said, folder: Path) -> Path:
    """The file of a case."""
    return saved(model(said.nodes, said.shapes, said.constants, said.outputs, said.opset, said.whole), folder)


def conv(weight: np.ndarray, layers: str = "Convolution", **words: Any) -> Said:
    return Said([node("Conv", "x w b", **words)], constants={"w": weight, "b": weights(weight.shape[0])}, layers=layers)


def transposed(weight: np.ndarray, group: int = 1, **words: Any) -> Said:
    bias = weights(weight.shape[1] * group)
    return Said([node("ConvTranspose", "x w b", group=group, **words)], constants={"w": weight, "b": bias})


def one(
    op: str, shape: Sequence[int] = IMAGE["x"], layers: str = "", opset: int = 17, low: float = -2.0, **words: Any
) -> Said:
    return Said([node(op, "x", **words)], {"x": shape}, layers=layers, opset=opset, low=low)


def with_constant(
    op: str, values: np.ndarray, shape: Sequence[int] = IMAGE["x"], layers: str = "", order: str = "x c"
) -> Said:
    return Said([node(op, order)], {"x": shape}, {"c": values}, layers)


def two(op: str, first: Sequence[int], second: Sequence[int], layers: str = "") -> Said:
    return Said([node(op, "a b")], {"a": first, "b": second}, layers=layers)


def resize(
    opset: int = 13,
    scales: Sequence[float] = (),
    sizes: Sequence[int] = (),
    shape: Sequence[int] = (1, 3, 6, 5),
    layers: str = "",
    **words: Any,
) -> Said:
    constants = {"scales": np.array(scales, np.float32), "sizes": ints(*sizes)}
    inputs = "x scales" if opset < 11 else "x , scales" if scales else "x , , sizes"
    used = {k: v for k, v in constants.items() if k in inputs.split()}
    return Said([node("Upsample" if opset < 10 else "Resize", inputs, **words)], {"x": shape}, used, layers, opset)


def recurrent(op: str, gates: int, direction: str = "forward", state: bool = False, **words: Any) -> Said:
    ways, hidden, size = 2 if direction == "bidirectional" else 1, 3, 4
    constants = {
        "W": weights(ways, gates * hidden, size),
        "R": weights(ways, gates * hidden, hidden, seed=2),
        "B": weights(ways, 2 * gates * hidden, seed=3),
        "h": weights(ways, 2, hidden, seed=4),
        "c": weights(ways, 2, hidden, seed=5),
    }
    inputs = "x W R B" + (" , h" if state else "") + (" c" if state and op == "LSTM" else "")
    used = {k: v for k, v in constants.items() if k in inputs.split()}
    outputs = "y last" + (" cell" if op == "LSTM" and state else "")
    made = node(op, inputs, outputs, hidden_size=hidden, direction=direction, **words)
    return Said([made], {"x": (5, 2, size)}, used, outputs=outputs)


def reduced(op: str, axes: Sequence[int], keep: int = 1, shape: Sequence[int] = IMAGE["x"], layers: str = "") -> Said:
    return Said([node(op, "x", axes=list(axes), keepdims=keep)], {"x": shape}, layers=layers, opset=12)


def pooled(op: str, kernel: Sequence[int], layers: str = "", shape: Sequence[int] = IMAGE["x"], **words: Any) -> Said:
    return one(op, shape, layers, kernel_shape=kernel, **words)


K3 = weights(5, 4, 3, 3)
SE = [
    node("ReduceMean", "x", "m", axes=[2, 3]),
    node("Conv", "m w b", "g"),
    node("Sigmoid", "g", "s"),
    node("Mul", "x s", "p"),
    node("Add", "p x"),
]
SHUFFLE = [node("Reshape", "x five", "a"), node("Transpose", "a", "b", perm=[0, 2, 1, 3, 4]), node("Reshape", "b four")]
EXPORTED_FLATTEN = [
    node("Shape", "x", "s"),
    node("Gather", "s zero", "n"),
    node("Unsqueeze", "n first", "n1"),
    node("Concat", "n1 rest", "to", axis=0),
    node("Reshape", "x to"),
]

SAID: dict[str, Said] = {
    "conv": conv(K3, pads=[1, 1, 1, 1]),
    "conv, unequal borders": conv(K3, pads=[0, 2, 1, 0], strides=[2, 1]),
    "conv, unequal borders and gaps": conv(K3, "", pads=[0, 1, 1, 3], dilations=[2, 2], strides=[2, 2]),
    "conv, same upper": conv(K3, auto_pad="SAME_UPPER", strides=[2, 2]),
    "conv, same lower": conv(K3, auto_pad="SAME_LOWER", strides=[2, 2]),
    "conv, groups and gaps": conv(weights(8, 2, 3, 2), group=2, dilations=[2, 1], strides=[1, 2]),
    "conv of one axis": Said([node("Conv", "x w", pads=[2, 1])], {"x": (2, 4, 9)}, {"w": weights(3, 4, 3)}),
    "conv of three axes": Said(
        [node("Conv", "x w", pads=[1] * 6)], {"x": (1, 2, 4, 5, 6)}, {"w": weights(3, 2, 3, 3, 3)}
    ),
    "conv behind a border": Said(
        [node("Pad", "x p", "a"), node("Conv", "a w")],
        constants={"p": ints(0, 0, 1, 2, 0, 0, 0, 1), "w": K3},
        layers="Convolution",
    ),
    "transposed conv": transposed(weights(4, 3, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1]),
    "transposed conv, more at the end": transposed(
        weights(4, 3, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]
    ),
    "transposed conv, unequal borders": transposed(weights(4, 3, 4, 3), strides=[2, 3], pads=[1, 0, 2, 1]),
    "transposed conv, groups and gaps": transposed(
        weights(4, 3, 2, 2), 2, dilations=[2, 1], strides=[2, 2], output_padding=[1, 0]
    ),
    "transposed conv, a size": transposed(weights(4, 3, 3, 3), strides=[2, 2], output_shape=[18, 17]),
    "gemm": Said(
        [node("Gemm", "x w c", alpha=0.5, beta=2.0, transB=1)],
        {"x": (3, 6)},
        {"w": weights(4, 6), "c": weights(4)},
        "InnerProduct",
    ),
    "gemm, untransposed, a scalar": Said([node("Gemm", "x w c")], {"x": (3, 6)}, {"w": weights(6, 4), "c": weights(1)}),
    "gemm, transposed": Said([node("Gemm", "x w", transA=1)], {"x": (6, 3)}, {"w": weights(6, 4)}),
    "gemm, a constant first": Said([node("Gemm", "w x", transB=1)], {"x": (3, 6)}, {"w": weights(4, 6)}),
    "gemm, a bias of a blob": Said([node("Gemm", "x w c", transB=1)], {"x": (3, 6), "c": (3, 4)}, {"w": weights(4, 6)}),
    "matmul": Said([node("MatMul", "x w")], {"x": (2, 3, 6)}, {"w": weights(6, 4)}, "InnerProduct"),
    "matmul from the left": Said([node("MatMul", "w x")], {"x": (2, 6, 3)}, {"w": weights(4, 6)}),
    "batch norm": Said(
        [node("BatchNormalization", "x s b m v", epsilon=1e-3)],
        constants={"s": weights(4), "b": weights(4), "m": weights(4), "v": weights(4, low=0.2)},
        layers="BatchNorm Scale",
    ),
    "instance norm": Said([node("InstanceNormalization", "x s b")], constants={"s": weights(4), "b": weights(4)}),
    "lrn": one("LRN", layers="LRN", size=3, alpha=0.3, beta=0.6, bias=2.0),
    "max pool, as Caffe's": pooled("MaxPool", [3, 3], "Pooling", (1, 2, 9, 9), strides=[2, 2]),
    "max pool, rounded down": pooled("MaxPool", [3, 3], "Pooling", (1, 2, 8, 8), strides=[2, 2], pads=[1, 1, 1, 1]),
    "max pool, same upper": pooled("MaxPool", [3, 3], "Pooling", (1, 2, 8, 8), strides=[2, 2], auto_pad="SAME_UPPER"),
    "max pool, unequal borders": pooled("MaxPool", [3, 2], strides=[2, 1], pads=[0, 1, 2, 0]),
    "max pool, rounded up": pooled("MaxPool", [2, 2], "Pooling", strides=[2, 2], ceil_mode=1),
    "max pool of one axis": pooled("MaxPool", [3], "", (2, 3, 10), strides=[2]),
    "average pool": pooled("AveragePool", [2, 3], "Pooling", strides=[1, 1]),
    "average pool, counting the border": pooled(
        "AveragePool", [3, 3], "Pooling", pads=[1, 1, 1, 1], count_include_pad=1
    ),
    "average pool, not counting it": pooled("AveragePool", [3, 3], "Pooling Scale", pads=[1, 1, 1, 1]),
    "average pool, unequal borders": pooled("AveragePool", [3, 3], "", pads=[0, 1, 1, 1], strides=[2, 2]),
    "average pool, counting unequal borders": pooled(
        "AveragePool", [3, 3], "", pads=[0, 1, 1, 1], strides=[2, 2], count_include_pad=1
    ),
    "average pool, rounded up": pooled("AveragePool", [3, 3], "Pooling", (1, 2, 8, 8), strides=[2, 2], ceil_mode=1),
    "average pool, not to the edge": pooled("AveragePool", [3, 2], shape=(2, 3, 8, 3), strides=[1, 3]),
    "global average": one("GlobalAveragePool", layers="Pooling"),
    "global max": one("GlobalMaxPool", layers="Pooling"),
    **{
        op: one(op, layers=layer, low=low)
        for op, layer, low in (
            ("Relu", "ReLU", -2),
            ("LeakyRelu", "ReLU", -2),
            ("Elu", "ELU", -2),
            ("Sigmoid", "Sigmoid", -2),
            ("Tanh", "TanH", -2),
            ("Softplus", "BNLL", -2),
            ("Exp", "Exp", -2),
            ("Log", "Log", 0.1),
            ("Abs", "AbsVal", -2),
            ("Sqrt", "Power", 0.1),
            ("Reciprocal", "Power", 0.1),
            ("Neg", "Power", -2),
            ("HardSigmoid", "Power Clip", -2),
            ("HardSwish", "Power Clip Eltwise", -2),
            ("Identity", "Split", -2),
        )
    },
    "prelu": Said([node("PRelu", "x s")], constants={"s": weights(4, 1, 1)}, layers="PReLU"),
    "prelu, one slope": Said([node("PRelu", "x s")], constants={"s": weights(1)}, layers="PReLU"),
    "prelu, a slope a place": Said([node("PRelu", "x s")], constants={"s": weights(1, 9, 8)}),
    "clip": Said([node("Clip", "x a b")], constants={"a": np.float32(-1), "b": np.float32(0.5)}, layers="Clip"),
    "clip of early opsets": one("Clip", layers="Clip", opset=7, min=0.0, max=6.0),
    "clip at one end": Said([node("Clip", "x , b")], constants={"b": np.float32(0.5)}),
    "pow": with_constant("Pow", np.array(2.0, np.float32), layers="Power"),
    "pow of a base": with_constant("Pow", np.array(2.0, np.float32), order="c x", layers="Exp"),
    "swish": Said([node("Sigmoid", "x", "s"), node("Mul", "x s")], layers="Swish"),
    "softmax": one("Softmax", (2, 5), "Softmax", axis=1),
    "softmax of early opsets": one("Softmax", (2, 3, 4), opset=11, axis=1),
    "log softmax": one("LogSoftmax", (2, 5, 3), axis=-1),
    "add": two("Add", (2, 4, 3, 3), (2, 4, 3, 3), "Eltwise"),
    "sub": two("Sub", (2, 4, 3, 3), (2, 4, 3, 3), "Eltwise"),
    "max": two("Max", (2, 4, 3, 3), (2, 4, 3, 3), "Eltwise"),
    "min": two("Min", (2, 4, 3, 3), (2, 4, 3, 3)),
    "sum of three": Said([node("Sum", "a b c")], dict.fromkeys("abc", (2, 3)), layers="Eltwise"),
    "mul, a gate": two("Mul", (2, 4, 3, 3), (2, 4, 1, 1), "Flatten Scale"),
    "mul, a mask": two("Mul", (2, 4, 3, 3), (2, 1, 3, 3)),
    "mul, both spread": two("Mul", (2, 4, 1, 3), (1, 5, 1)),
    "add, fewer axes": two("Add", (2, 4, 3), (3,)),
    "sub, spread": two("Sub", (2, 1, 3), (2, 4, 3)),
    "div, spread": Said([node("Exp", "b", "e"), node("Div", "a e")], {"a": (2, 4, 3), "b": (2, 4, 1)}),
    "max, spread": two("Max", (2, 4, 3), (4, 1)),
    "add, a number": with_constant("Add", np.array([0.5], np.float32), layers="Power"),
    "add, a channel": with_constant("Add", weights(4, 1, 1), layers="Bias"),
    "mul, a channel": with_constant("Mul", weights(1, 4, 1, 1), layers="Scale"),
    "mul, rows": with_constant("Mul", weights(9, 1)),
    "mul, channels and columns": with_constant("Mul", weights(4, 1, 8)),
    "div by a constant": with_constant("Div", weights(8, low=0.5)),
    "div of a constant": Said([node("Div", "c x")], {"x": (2, 3)}, {"c": weights(3)}, low=0.5),
    "sub from a constant": with_constant("Sub", weights(4, 1, 1), order="c x"),
    "min, a number": with_constant("Min", np.array(0.3, np.float32)),
    "add of more axes than the blob": with_constant("Add", weights(3, 1, 4), (2, 4)),
    "concat": Said([node("Concat", "a b c", axis=1)], {"a": (2, 3, 4), "b": (2, 1, 4)}, {"c": weights(2, 2, 4)}),
    "split": Said([node("Split", "x s", "y z", axis=1)], constants={"s": ints(1, 3)}, outputs="y z", layers="Slice"),
    "split, a part unread": Said(
        [node("Split", "x", "y z", axis=1, split=[1, 3])], outputs="z", opset=12, layers="Slice Silence"
    ),
    "slice": Said(
        [node("Slice", "x a b c d")], constants={"a": ints(1, -4), "b": ints(3, 9999), "c": ints(1, 3), "d": ints(1, 2)}
    ),
    "slice backwards": Said(
        [node("Slice", "x a b c d")], constants={"a": ints(-1), "b": ints(-9999), "c": ints(2), "d": ints(-1)}
    ),
    "slice of early opsets": one("Slice", opset=9, starts=[0, 1], ends=[1, 3], axes=[0, 1]),
    "gather": Said([node("Gather", "x i", axis=1)], constants={"i": ints(3, 0, 0, -1)}),
    "gather one": Said([node("Gather", "x i", axis=2)], constants={"i": np.array(2, np.int64)}),
    "gather many": Said([node("Gather", "x i", axis=0)], {"x": (150, 3)}, {"i": ints(*range(149, -1, -1))}),
    "embedding": Said([node("Gather", "w x")], {"x": (2, 5)}, {"w": weights(3, 6)}, "Embed", whole=["x"]),
    "pad": Said([node("Pad", "x p")], constants={"p": ints(0, 0, 1, 2, 0, 0, 0, 3)}),
    "pad, a value": Said(
        [node("Pad", "x p v")], constants={"p": ints(0, 1, 1, 0, 0, 0, 0, 2), "v": np.array(7, np.float32)}
    ),
    "pad, reflected": Said([node("Pad", "x p", mode="reflect")], constants={"p": ints(0, 0, 2, 1, 0, 0, 1, 3)}),
    "pad of early opsets": one("Pad", opset=10, pads=[0, 0, 1, 1, 0, 0, 1, -1]),
    "reshape": Said([node("Reshape", "x s")], constants={"s": ints(0, -1, 8)}, layers="Reshape"),
    "flatten": one("Flatten", layers="Flatten"),
    "flatten at 2": one("Flatten", axis=2),
    "exported flatten": Said(
        EXPORTED_FLATTEN,
        constants={"zero": np.array(0, np.int64), "first": ints(0), "rest": ints(-1)},
        layers="Flatten",
    ),
    "squeeze": Said([node("Squeeze", "x a")], {"x": (2, 1, 3, 1)}, {"a": ints(1)}),
    "squeeze all": one("Squeeze", (2, 1, 3, 1)),
    "unsqueeze": Said([node("Unsqueeze", "x a")], {"x": (2, 3)}, {"a": ints(0, -1)}),
    "transpose": one("Transpose", (2, 3, 4, 5), perm=[3, 0, 2, 1]),
    "transpose, turned": one("Transpose", (2, 3, 4)),
    "transpose of axes of 1": one("Transpose", (2, 3, 1, 4), layers="Reshape", perm=[0, 2, 1, 3]),
    "channel shuffle": Said(SHUFFLE, {"x": (2, 6, 3, 3)}, {"five": ints(2, 2, 3, 3, 3), "four": ints(2, 6, 3, 3)}),
    "expand": Said([node("Expand", "x s")], {"x": (2, 1, 3)}, {"s": ints(2, 2, 4, 1)}),
    "tile": Said([node("Tile", "x s")], {"x": (2, 1, 3)}, {"s": ints(1, 3, 2)}),
    "depth to space": one("DepthToSpace", (2, 8, 3, 4), "Deconvolution", blocksize=2),
    "pixel shuffle": one("DepthToSpace", (2, 8, 3, 4), "Deconvolution", blocksize=2, mode="CRD"),
    "space to depth": one("SpaceToDepth", (2, 2, 6, 4), "Convolution", blocksize=2),
    "nearest": resize(
        scales=[1, 1, 2, 3], layers="Deconvolution", coordinate_transformation_mode="asymmetric", nearest_mode="floor"
    ),
    "nearest by sizes": resize(sizes=[1, 3, 12, 10], layers="Deconvolution"),
    "nearest, smaller": resize(sizes=[1, 3, 4, 3]),
    "nearest of opset 9": resize(9, scales=[1, 1, 2, 2], layers="Deconvolution"),
    "nearest of opset 10": resize(10, scales=[1, 1, 2, 2], layers="Deconvolution"),
    "nearest of opset 10, smaller": resize(10, scales=[1, 1, 0.5, 0.7]),
    "linear": resize(scales=[1, 1, 2, 2], layers="Deconvolution Scale", mode="linear"),
    "linear by 3": resize(scales=[1, 1, 3, 3], layers="Deconvolution Scale", mode="linear"),
    "linear, any size": resize(sizes=[1, 3, 9, 7], mode="linear"),
    "linear, corners": resize(sizes=[1, 3, 11, 9], mode="linear", coordinate_transformation_mode="align_corners"),
    "linear of opset 9": resize(9, scales=[1, 1, 2, 2], mode="linear"),
    "cubic": resize(scales=[1, 1, 2, 2], mode="cubic"),
    "mean over images": reduced("ReduceMean", [2, 3], layers="Pooling"),
    "mean over images, dropped": reduced("ReduceMean", [-1, -2], keep=0, layers="Pooling Flatten"),
    "mean over channels": reduced("ReduceMean", [1]),
    "sum at the end": reduced("ReduceSum", [2, 3], keep=0, layers="Reduction"),
    "sum of two axes apart": reduced("ReduceSum", [1, 3]),
    "max over channels": reduced("ReduceMax", [1], keep=0),
    "min of rows": reduced("ReduceMin", [3]),
    "l1": reduced("ReduceL1", [1]),
    "l2": reduced("ReduceL2", [3], keep=0),
    "squares of no axes": Said([node("ReduceSumSquare", "x", noop_with_empty_axes=1)], opset=18),
    "a norm of nothing": Said([node("Relu", "x", "r"), node("LpNormalization", "r", axis=3, p=1)], {"x": (2, 4, 9, 2)}),
    "mean over all": one("ReduceMean", (2, 3), keepdims=0),
    "arg max": Said([node("ArgMax", "x", axis=1)], whole=["y"]),
    "arg max of equal values": Said([node("Relu", "x", "r"), node("ArgMax", "r", axis=3, keepdims=0)], whole=["y"]),
    "top k": Said(
        [node("Relu", "x", "r"), node("TopK", "r k", "y i", axis=1)],
        constants={"k": ints(3)},
        outputs="y i",
        whole=["i"],
    ),
    "the places of a pooling, not to the edge": Said(
        [node("MaxPool", "x", "y i", kernel_shape=[2, 2], strides=[2, 3])], outputs="y i", whole=["i"]
    ),
    "lstm": recurrent("LSTM", 4),
    "lstm both ways, with states": recurrent("LSTM", 4, "bidirectional", state=True),
    "lstm backwards": recurrent("LSTM", 4, "reverse"),
    "rnn": recurrent("RNN", 1, state=True),
    "rnn both ways": recurrent("RNN", 1, "bidirectional", activations=["Relu", "Tanh"]),
    "the places of a pooling": Said(
        [node("MaxPool", "x", "y i", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1])],
        outputs="y i",
        whole=["i"],
    ),
    "greater": Said([node("Greater", "x c", "t"), node("Cast", "t", to=1)], constants={"c": weights(4, 1, 1)}),
    "less or equal": Said([node("LessOrEqual", "x c", "t"), node("Cast", "t", to=1)], constants={"c": np.float32(0.5)}),
    "where": Said(
        [node("Less", "x c", "t"), node("Where", "t x d")], constants={"c": weights(4, 1, 1), "d": weights(8)}
    ),
    "equal, cut to whole numbers": Said(
        [node("Cast", "x", "i", to=7), node("Equal", "i c", "t"), node("Not", "t", "n"), node("Cast", "n", to=1)],
        constants={"c": ints(-1, 0, 1, 2, 0, -2, 1, 1)},
    ),
    "and, or": Said(
        [
            node("Greater", "x c", "s"),
            node("Less", "x d", "t"),
            node("And", "s t", "u"),
            node("Or", "u s", "v"),
            node("Cast", "v", to=1),
        ],
        constants={"c": np.float32(-1), "d": np.float32(1)},
    ),
    "truth of a number": Said([node("Relu", "x", "r"), node("Cast", "r", "t", to=9), node("Cast", "t", to=1)]),
    "rows of a blob": Said([node("Gather", "x i")], {"x": (3, 4), "i": (5,)}, layers="BatchReindex", whole=["i"]),
    "dropout": one("Dropout"),
    "cast": Said([node("Cast", "x", "a", to=1), node("Relu", "a")], layers="ReLU"),
    "a number that is known": Said([node("Size", "x", "n"), node("Cast", "n", to=1)]),
    "an input that is an output": Said([node("Relu", "x", "r"), node("Neg", "r")], outputs="r y"),
    "a gate": Said(
        SE,
        constants={"w": weights(4, 4, 1, 1), "b": weights(4)},
        layers="Pooling Convolution Sigmoid Flatten Scale Eltwise",
    ),
}

# What no layer says: the nodes, and what the error must tell of each.
REFUSED: dict[str, tuple[Said, list[str]]] = {
    "unknown": (Said([node("Gelu", "x", "a"), node("Erf", "a")], opset=20), ["the Gelu", "Gelu"]),
    "two of them": (
        Said(
            [node("Erf", "x", "a"), node("LayerNormalization", "x w", "b"), node("Add", "a b")],
            constants={"w": weights(8)},
        ),
        ["the Erf", "the LayerNormalization", "2 operators"],
    ),
    "a product of blobs": (two("MatMul", (2, 3), (3, 2)), ["the MatMul", "two blobs"]),
    "a window with gaps": (pooled("MaxPool", [2, 2], dilations=[2, 2]), ["gaps"]),
    "a window behind the image": (
        pooled("MaxPool", [1, 1], shape=(1, 2, 5, 4), strides=[2, 2], ceil_mode=1),
        ["behind"],
    ),
    "a window larger than the image": (
        pooled(
            "AveragePool", [3, 3], shape=(1, 2, 1, 5), opset=7, strides=[2, 1], pads=[1, 1, 0, 1], count_include_pad=1
        ),
        ["larger"],
    ),
    "a window larger than the image, rounded up": (
        pooled("AveragePool", [3, 5], shape=(1, 2, 3, 1), opset=22, strides=[1, 3], ceil_mode=1),
        ["larger"],
    ),
    "a slice of nothing": (one("Slice", opset=9, starts=[1], ends=[-(2**31)], axes=[1]), ["none"]),
    "an even norm": (one("LRN", size=2), ["odd"]),
    "whole numbers divided": (Said([node("Div", "x c")], {"x": (2,)}, {"c": ints(2, 3)}, whole=["x", "y"]), ["whole"]),
    "corners that lie between": (
        resize(scales=[1, 1, 0.7, 1], mode="linear", coordinate_transformation_mode="align_corners"),
        ["corners"],
    ),
    "nothing": (Said([node("Shape", "x", start=1, end=0)], whole=["y"], opset=15), ["empty"]),
    "a power of two blobs": (two("Pow", (2, 3), (2, 3)), ["exponent"]),
}
