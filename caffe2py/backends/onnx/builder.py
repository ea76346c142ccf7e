"""What a layer's `onnx` method is handed: it adds nodes, and says shapes that hold for a free batch.

A layer gets the values of its bottoms and returns those of its tops. A value is its name, with a `.shape`. In a
shape, sizes that follow the batch are `Size`: they add and multiply, and refuse to be used as plain numbers. So a
layer writes `g.reshape(x, (x.shape[0], -1))`, and the builder finds the ONNX that says it. ReLU, in full::

    def onnx(self, g: Any, x: Any) -> Any:
        return g.op("Relu", x)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
import onnx
from onnx import NodeProto, helper

from caffe2py.backends.names import Namer
from caffe2py.errors import CaffeError
from caffe2py.graph import Graph, Node, Value
from caffe2py.graph.free_sizes import NotFree, Size
from caffe2py.layers.base import FreeShape, Handle, Misfit

# Operators whose top has the shape that their inputs have, spread over each other.
ELEMENTWISE = frozenset(
    "Abs Add And BatchNormalization Cast Ceil Clip Div Elu Equal Erf Exp Floor Greater GreaterOrEqual HardSigmoid "
    "Identity IsNaN LRN LeakyRelu Less LessOrEqual Log LogSoftmax Max Mean Min Mod Mul Neg Not Or PRelu Pow Reciprocal "
    "Relu Round Sigmoid Sign Softmax Softplus Sqrt Sub Sum Tanh Where".split()
)


@dataclass(frozen=True)
class Tensor:
    """An initializer. `array` may be a view of the weights file; it is converted to `dtype` when it is written."""

    name: str
    array: np.ndarray
    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return self.array.size * self.dtype.itemsize

    def data(self) -> memoryview:
        """The bytes as ONNX stores them: little-endian, C order. `CaffeError` for a number too large for float16."""
        with np.errstate(over="ignore"):
            array = np.ascontiguousarray(self.array, self.dtype.newbyteorder("<"))
        if self.dtype == np.float16 and np.isinf(array).any() and not np.isinf(self.array).any():
            raise CaffeError(f'"{self.name}" holds {np.abs(self.array).max():.3g}; float16 goes up to 65504')
        return array.reshape(-1).view(np.uint8).data


class Model(Protocol):
    """The model that the nodes are for."""

    graph: Graph
    shapes: Mapping[Value, FreeShape]
    opset: int
    functions: frozenset[str]  # the local functions that were asked for
    float16: bool
    float_type: int
    symbols: dict[str, tuple[Handle, int]]  # a free size: the value and axis to ask
    name: Namer

    def need(self, node: Node, opset: int, why: str) -> None:
        """Remember that a layer cannot be said below an opset."""

    def initializer(self, name: str, array: np.ndarray, shape: Sequence[int], key: Any = None) -> Handle:
        """A tensor of the model; one blob under one shape, and one small constant, is kept once."""

    def define(self, kind: str, body: Callable[..., Handle], inputs: Sequence[Handle]) -> None:
        """The local function `caffe2py.KIND`, once."""


class Builder:
    """Nodes of one layer. A layer with a single node gives it its name; several are `layer/Mul`, `layer/Add`."""

    def __init__(self, model: Model, node: Node) -> None:
        self._model = model
        self._node = node
        self.nodes: list[NodeProto] = []
        self.phase: str = node.own_phase or model.graph.phase
        self.training = model.graph.phase == "TRAIN"
        self.opset: int = model.opset

    @property
    def tops(self) -> list[tuple[Any, ...]]:
        """The shapes of the layer's tops."""
        return [self._model.shapes[v] for v in self._node.tops]

    @property
    def lowest(self) -> float:
        """The lowest finite number of the model's precision; Caffe starts a maximum from it."""
        return float(np.finfo(np.float16 if self._model.float16 else np.float32).min)

    # Nodes

    def op(self, kind: str, *inputs: Any, shape: Sequence[Any] | None = None, **attributes: Any) -> Handle:
        """Add one operator; the value it makes.

        An input None is left out, a number becomes a constant. An attribute None is not written. `shape` is that of
        the top, where the layer or a later call needs to know it; elementwise operators know it themselves.
        """
        return self.ops(kind, 1, *inputs, shape=shape, **attributes)[0]

    def ops(
        self, kind: str, outputs: int, *inputs: Any, shape: Sequence[Any] | None = None, **attributes: Any
    ) -> list[Handle]:
        """As `op`, for an operator with several outputs."""
        self._check(kind, attributes)
        args = [self._input(x) for x in inputs]
        if shape is None and kind in ELEMENTWISE:
            shape = broadcast([a.known for a in args if a])
        names = [self._model.name(f"{self._node.name}/{kind}") for _ in range(outputs)]
        node = helper.make_node(kind, args, names, **{k: v for k, v in attributes.items() if v is not None})
        self.nodes.append(node)
        return [Handle(name, shape) for name in names]

    def function(self, kind: str, body: Callable[..., Any], *inputs: Handle) -> Any:
        """What `body(g, *inputs)` builds; a call of the local function `caffe2py.KIND` where the user asked for one."""
        if kind not in self._model.functions:
            return body(self, *inputs)
        self._model.define(kind, body, inputs)
        name = self._model.name(f"{self._node.name}/{kind}")
        self.nodes.append(helper.make_node(kind, inputs, [name], domain="caffe2py"))
        return Handle(name)

    def scan(self, body: Callable[..., Any], state: Sequence[Handle], inputs: Sequence[Handle]) -> list[Handle]:
        """The state after `body(g, *state, *slices)` has made the next of it, for each slice of the inputs' first axis.

        All are floats.
        """
        inner = Builder(self._model, self._node)
        given = [*(s.shape for s in state), *(x.shape[1:] for x in inputs)]
        names = [Handle(self._model.name(f"{self._node.name}/Scan"), shape) for shape in given]
        made = body(inner, *names)
        dims = [[str(d) if isinstance(d, Size) else d for d in shape] for shape in given]
        ins, outs = (
            [helper.make_tensor_value_info(n, self._model.float_type, d) for n, d in zip(row, dims, strict=False)]
            for row in (names, made)
        )
        graph = helper.make_graph(inner.nodes, "step", ins, outs)
        return self.ops("Scan", len(state), *state, *inputs, body=graph, num_scan_inputs=len(inputs))

    def need(self, opset: int, why: str) -> None:
        """Say that this layer cannot be said below an opset; the builder then chooses a higher one."""
        if self.opset < opset:
            self._model.need(self._node, opset, why)

    # Numbers

    def weight(self, index: int, shape: Sequence[int] | None = None) -> Handle:
        """The layer's learned blob `index` as an initializer, straight from the weights file, viewed in a `shape`."""
        weight = self._node.weights[index]
        shape = tuple(weight.shape if shape is None else shape)
        return self._model.initializer(
            f"{self._node.name}.{weight.name}", self.blob(index), shape, key=(weight.owner, shape)
        )

    def blob(self, index: int) -> np.ndarray:
        """The values of the learned blob `index`, for a layer that computes with them."""
        return self._node.blobs()[index]

    def constant(self, values: Any, name: str = "constant") -> Handle:
        """An array as initializer `layer.NAME`: floats in the model's precision, integers in int64, truths as bool."""
        array = np.asarray(values)
        if array.dtype == object:
            raise NotFree("puts a free size into a constant; want g.shape or g.number, or a fixed batch")
        return self._model.initializer(f"{self._node.name}.{name}", array, array.shape)

    def number(self, size: Any) -> Handle:
        """A size as a float scalar, for arithmetic: a constant, or computed where it is free."""
        if not isinstance(size, Size):
            return self.constant(float(size), "size")
        return self.cast(self.squeeze(self.shape([size]), [0]), "float")

    def shape(self, dims: Sequence[Any]) -> Handle:
        """A shape as an int64 vector: a constant, or computed where it holds a free size."""
        if not any(isinstance(d, Size) for d in dims):
            return self.constant(np.array(dims, np.int64), "shape")
        parts = [self._size(d) if isinstance(d, Size) else self.constant(np.array([d]), "size") for d in dims]
        return parts[0] if len(parts) == 1 else self.op("Concat", *parts, axis=0, shape=(len(parts),))

    def full(self, dims: Sequence[Any], value: float) -> Handle:
        """A value that is the same number all over."""
        if not any(isinstance(d, Size) for d in dims):
            return self.constant(np.full(dims, float(value)), "full")
        tensor = helper.make_tensor("", self._model.float_type, [1], [float(value)])
        return self.op("ConstantOfShape", self.shape(dims), value=tensor, shape=dims)

    def cast(self, x: Handle, to: str) -> Handle:
        """x as "float" (the model's precision), "float32", "int64", "int32" or "bool"."""
        if to == "float32" and not self._model.float16:
            return x
        types = {"int64": onnx.TensorProto.INT64, "int32": onnx.TensorProto.INT32, "bool": onnx.TensorProto.BOOL}
        types["float32"] = onnx.TensorProto.FLOAT
        return self.op("Cast", x, to=types.get(to, self._model.float_type))

    # Shapes

    def reshape(self, x: Handle, dims: Sequence[Any]) -> Handle:
        """x in another shape; `dims` may hold free sizes, and one -1."""
        given = x.known or ()
        if tuple(dims) == given and x.known is not None:
            return x
        known = [_resolve(given, dims)] if -1 in dims and x.known is not None else [tuple(dims)]
        copied = [0 if i < len(given) and isinstance(d, Size) and given[i] == d else d for i, d in enumerate(dims)]
        free = [i for i, d in enumerate(copied) if isinstance(d, Size)]
        if len(free) == 1 and -1 not in copied:
            copied[free[0]] = -1
            free = []
        target = self.shape(dims) if free else self.constant(np.array(copied, np.int64), "shape")
        return self.op("Reshape", x, target, shape=None if -1 in known[0] else known[0])

    def flatten(self, x: Handle, axis: int) -> Handle:
        """x as a matrix: the axes before `axis`, and those from it on."""
        shape = None if x.known is None else (_product(x.shape[:axis]), _product(x.shape[axis:]))
        return x if shape is not None and x.shape == shape else self.op("Flatten", x, axis=axis, shape=shape)

    def unsqueeze(self, x: Handle, axes: Sequence[int]) -> Handle:
        """x with an axis of 1 put in at each place of the result that `axes` names."""
        shape = None
        if x.known is not None:
            rest = iter(x.shape)
            shape = [1 if i in axes else next(rest) for i in range(len(x.shape) + len(axes))]
        return self._axes("Unsqueeze", x, axes, 13, shape=shape) if axes else x

    def squeeze(self, x: Handle, axes: Sequence[int]) -> Handle:
        """x without the axes of 1 that `axes` names."""
        shape = None if x.known is None else [d for i, d in enumerate(x.shape) if i not in axes]
        return self._axes("Squeeze", x, axes, 13, shape=shape) if axes else x

    def transpose(self, x: Handle, perm: Sequence[int]) -> Handle:
        """x with its axes in the order `perm`."""
        if list(perm) == list(range(len(perm))):
            return x
        shape = None if x.known is None else [x.shape[i] for i in perm]
        return self.op("Transpose", x, perm=list(perm), shape=shape)

    def reduce(self, kind: str, x: Handle, axes: Sequence[int], keepdims: bool = True) -> Handle:
        """ReduceSum, ReduceMean, ReduceMax, ... over `axes`; no axes leave x alone."""
        if not axes:
            return x
        if x.known is not None and len(axes) == len(x.shape) and not keepdims:
            # OpenCV 5.0 makes (1,) of a reduction to a scalar, and cannot compute with that; Squeeze it does rightly.
            return self.squeeze(self.reduce(kind, x, axes), axes)
        shape = None
        if x.known is not None:
            shape = [1 if i in axes else d for i, d in enumerate(x.shape) if keepdims or i not in axes]
        return self._axes(kind, x, axes, 13 if kind == "ReduceSum" else 18, shape=shape, keepdims=int(keepdims))

    def slice(self, x: Handle, axis: int, start: int, end: int, step: int = 1) -> Handle:
        """x[start:end:step] along one axis; numbers as in Python, `end` beyond the axis is its end."""
        numbers = {"start": start, "end": end, "axis": axis} | ({"step": step} if step != 1 else {})
        words = [self.constant([n], word) for word, n in numbers.items()]
        shape = None
        if x.known is not None and not isinstance(x.shape[axis], Size):
            size = len(range(*slice(start, end, step).indices(x.shape[axis])))
            shape = [size if i == axis else d for i, d in enumerate(x.shape)]
        return self.op("Slice", x, *words, shape=shape)

    def split(self, x: Handle, sizes: Sequence[int], axis: int) -> list[Handle]:
        """x cut along one axis into parts of these sizes."""
        if len(sizes) == 1:
            return [x]
        plain = [int(n) for n in sizes]
        if self.opset < 13:
            parts = self.ops("Split", len(plain), x, axis=axis, split=plain)
        else:
            parts = self.ops("Split", len(plain), x, self.constant(plain, "split"), axis=axis)
        if x.known is None:
            return list(parts)
        return [Handle(p, (*x.shape[:axis], n, *x.shape[axis + 1 :])) for p, n in zip(parts, plain, strict=True)]

    def concat(self, parts: Sequence[Handle], axis: int) -> Handle:
        """The parts one after another along one axis."""
        if len(parts) == 1:
            return parts[0]
        shape = None
        if all(p.known is not None for p in parts):
            first = parts[0].shape
            shape = [*first[:axis], sum((p.shape[axis] for p in parts[1:]), first[axis]), *first[axis + 1 :]]
        return self.op("Concat", *parts, axis=axis, shape=shape)

    def pad(self, x: Handle, before: Sequence[int], after: Sequence[int], value: float = 0.0) -> Handle:
        """x with more of each axis before and after it, filled with a number; no padding leaves x alone."""
        if not any((*before, *after)):
            return x
        shape = None
        if x.known is not None:
            shape = [d + b + a for d, b, a in zip(x.shape, before, after, strict=True)]
        fill = self.constant(float(value), "fill")
        return self.op("Pad", x, self.constant([*before, *after], "pads"), fill, mode="constant", shape=shape)

    def softmax(self, x: Handle, axis: int, kind: str = "Softmax") -> Handle:
        """Softmax (or LogSoftmax) over one axis. Below opset 13 the axes behind it are taken in too; they must be 1."""
        if self.opset < 13 and any(isinstance(d, Size) or d != 1 for d in x.shape[axis + 1 :]):
            self.need(13, f"{kind} over an inner axis")
        return self.op(kind, x, axis=axis)

    # Helpers

    def _axes(self, kind: str, x: Handle, axes: Sequence[int], since: int, **words: Any) -> Handle:
        """An operator whose axes are an attribute before opset `since`, and an input from then on."""
        if self.opset < since:
            return self.op(kind, x, axes=list(axes), **words)
        return self.op(kind, x, self.constant(list(axes), "axes"), **words)

    def _size(self, size: Size) -> Handle:
        """A free size as an int64 vector of one, computed from the shapes of the inputs."""
        total: Any = None
        for symbol, times in size.terms:
            blob, axis = self._model.symbols[symbol]
            dims = self.op("Shape", blob, shape=(len(blob.shape),))
            term = self.op("Gather", dims, self.constant([axis], "axis"), axis=0, shape=(1,))
            if times != 1:
                term = self.op("Mul", term, self.constant([times], "times"))
            total = term if total is None else self.op("Add", total, term)
        return self.op("Add", total, self.constant([size.rest], "rest")) if size.rest else total

    def _input(self, x: Any) -> Handle:
        if x is None:
            return Handle("")
        return x if isinstance(x, Handle) else self.constant(x)

    def _check(self, kind: str, attributes: dict[str, Any]) -> None:
        """Ask for the opset from which on the operator has these attributes."""
        wanted = {k for k, v in attributes.items() if v is not None}
        if not _has(kind, self.opset, wanted):
            later = [n for n in range(self.opset + 1, onnx.defs.onnx_opset_version() + 1) if _has(kind, n, wanted)]
            if not later:
                said = f" with {', '.join(sorted(wanted))}" if wanted else ""
                raise Misfit(f"asks for the operator {kind}{said}, which no opset from {self.opset} on has")
            self.need(later[0], f"the operator {kind}")


@cache
def _attributes(kind: str, opset: int) -> frozenset[str] | None:
    """The attributes of an operator in an opset, None where it is not in it."""
    try:
        return frozenset(onnx.defs.get_schema(kind, opset, "").attributes)
    except onnx.defs.SchemaError:
        return None


def _has(kind: str, opset: int, wanted: set[str]) -> bool:
    have = _attributes(kind, opset)
    return have is not None and wanted <= have


def broadcast(shapes: Sequence[tuple[Any, ...] | None]) -> tuple[Any, ...] | None:
    """The shape of values spread over each other, None where one is not known."""
    known = [s for s in shapes if s is not None]
    if not known or len(known) < len(shapes):
        return None
    axes = max(map(len, known))
    rows = [(1,) * (axes - len(s)) + s for s in known]
    return tuple(next((d for d in column if d != 1), 1) for column in zip(*rows, strict=True))


def _product(dims: Sequence[Any]) -> Any:
    product: Any = 1
    for d in dims:
        product = product * d
    return product


def _resolve(given: Sequence[Any], dims: Sequence[Any]) -> tuple[Any, ...]:
    """`dims` with the -1 worked out."""
    rest = _product([d for d in dims if d != -1])
    whole = _product(given)
    if isinstance(rest, Size) and not isinstance(whole, Size):
        raise Misfit(f"cannot make {tuple(map(str, dims))} of {tuple(map(str, given))}")
    return tuple(whole // rest if d == -1 else d for d in dims)
