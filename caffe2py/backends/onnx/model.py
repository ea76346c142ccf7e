"""Graph to ONNX, straight: no tracing, and one node or one group of nodes for each layer.

The model's words are Caffe's: a value has its blob's name (`conv1`, and `conv1#2` where a layer worked in place), a
node its layer's, an initializer `layer.weight`. The batch is free where the shapes worked out for other sizes prove
that it may be.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, helper

from caffe2py import arguments
from caffe2py.backends.names import Namer
from caffe2py.backends.onnx.builder import Builder, Tensor
from caffe2py.backends.onnx.names import utf8, value_names
from caffe2py.backends.provenance import metadata
from caffe2py.backends.torch.source import check_runnable, check_shapes
from caffe2py.errors import CaffeError, UnsupportedError, shown
from caffe2py.graph import Graph, Node, Value
from caffe2py.graph.free_sizes import Axes, NotFree, Size, candidates, fixed, free_shapes, with_batch
from caffe2py.layers.base import FreeShape, Handle, Layer, Misfit
from caffe2py.passes import FLAT
from caffe2py.passes.fold_batch_norm import fold_batch_norm
from caffe2py.version import __version__

LOWEST, HIGHEST = 11, 23  # opsets: Pad and Slice read their numbers from inputs since 11; runtimes read up to 23 today
FUNCTIONS_OPSET_IR = 8  # local functions came with this version of the file format


@dataclass(frozen=True)
class OnnxProgram:
    """A net as an ONNX model whose weights stand aside: `proto` names them nowhere but in its nodes."""

    graph: Graph  # after the passes
    proto: ModelProto
    tensors: tuple[Tensor, ...]
    values: Mapping[Value, str]  # the name of each value of `graph` in the model
    inputs: Mapping[str, str]  # blob -> name
    outputs: Mapping[str, str]


def to_onnx(
    graph: Graph,
    *,
    batch: int | None = None,
    opset: int | None = None,
    axpy: str = "inline",
    fold: bool = False,
    float16: bool = False,
) -> ModelProto:
    """The net as an `onnx.ModelProto`, with its weights, provenance and preprocessing in it.

    batch    the batch size; None: free where the net allows one, else the net's own
    opset    11 to 23; None: the lowest that says the net rightly
    axpy     "inline": Axpy is Mul and Add; "function": a call of the local function caffe2py.Axpy
    fold     fold each BatchNorm into the Convolution or InnerProduct before it
    float16  compute in float16; inputs and outputs stay float32

    Inputs and outputs have their Caffe names. Raises `UnsupportedError` that lists every layer that cannot be said,
    `WeightError` where there are no weights. A protobuf message holds 2 GB: `caffe2py.convert` writes larger nets.
    """
    made = onnx_program(graph, batch=batch, opset=opset, axpy=axpy, fold=fold, float16=float16)
    if sum(t.nbytes for t in made.tensors) >= 2**31:
        raise CaffeError("the weights are over 2 GB, which one ModelProto cannot hold; write a file with convert")
    model = made.proto
    for t in made.tensors:
        model.graph.initializer.append(proto_head(t, raw_data=bytes(t.data())))
    helper.set_model_props(model, metadata(graph))
    return model


def proto_head(tensor: Tensor, **data: Any) -> onnx.TensorProto:
    """A tensor's name, type and shape as ONNX says them."""
    kind = helper.np_dtype_to_tensor_dtype(tensor.dtype)
    return onnx.TensorProto(name=tensor.name, data_type=kind, dims=tensor.shape, **data)


def onnx_program(
    graph: Graph,
    *,
    batch: int | None = None,
    opset: int | None = None,
    axpy: str = "inline",
    fold: bool = False,
    float16: bool = False,
) -> OnnxProgram:
    """As `to_onnx`, with the weights aside."""
    arguments.one_of("axpy", axpy, ("inline", "function"))
    batch = None if batch is None else arguments.whole("batch", batch, 1)
    opset = None if opset is None else arguments.whole("opset", opset)
    if opset is not None and not LOWEST <= opset <= HIGHEST:
        raise CaffeError(f"opset {opset} is not written; want {LOWEST} to {HIGHEST}")
    check_runnable(graph)
    check_shapes(graph, graph.results)
    if not graph.outputs:
        raise UnsupportedError(f'net "{graph.name}" has no output, since layers read all its blobs; ONNX wants one')
    if batch is not None:
        graph = with_batch(graph, batch)
    flat = graph
    for change in (*FLAT, fold_batch_norm) if fold else FLAT:
        flat = change(flat)
    functions = frozenset({"Axpy"} if axpy == "function" else ())
    for axes in candidates(flat) if batch is None else fixed(flat):
        shapes = free_shapes(flat, axes)
        if shapes is None:
            continue
        try:
            return _written(flat, shapes, axes, opset, functions, float16)
        except NotFree:
            continue
    raise AssertionError("the last candidate has no free size")


def _written(
    graph: Graph,
    shapes: Mapping[Value, FreeShape],
    axes: Axes,
    opset: int | None,
    functions: frozenset[str],
    float16: bool,
) -> OnnxProgram:
    """The model in the opset asked for, or in the lowest that no layer finds too low."""
    trial = opset or LOWEST
    while True:
        writer = Writer(graph, shapes, axes, trial, functions, float16)
        writer.write()
        if not writer.needs:
            return writer.finish()
        if opset is not None:
            told = (f'  "{shown(n.name)}" ({n.type}): {why} needs opset {v}' for n, v, why in writer.needs)
            lines = list(dict.fromkeys(told))
            raise UnsupportedError(f"opset {opset} is too low:", lines=lines)
        trial = max(v for _, v, _ in writer.needs)


@dataclass
class Writer:
    """The model as far as it is written."""

    graph: Graph
    shapes: Mapping[Value, FreeShape]
    axes: Axes
    opset: int
    functions: frozenset[str]
    float16: bool
    needs: list[tuple[Node, int, str]] = field(default_factory=list)
    symbols: dict[str, tuple[Handle, int]] = field(default_factory=dict)  # a free size: the value and axis to ask

    def __post_init__(self) -> None:
        self.float = np.dtype(np.float16 if self.float16 else np.float32)
        self.float_type: int = helper.np_dtype_to_tensor_dtype(self.float)
        self.name = Namer([""], utf8)
        self._node_name = Namer([""], utf8)
        self._values, self._inputs, self._outputs = value_names(self.graph, self.name, apart=self.float16)
        self._handles: dict[Value, Handle] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._tensors: dict[Any, tuple[Handle, Tensor]] = {}
        self._defined: dict[str, onnx.FunctionProto] = {}

    def write(self) -> None:
        """Every layer; one `UnsupportedError` with all that cannot be said."""
        problems = []
        self._add_inputs()
        for node in self.graph.nodes:
            if not node.layer.is_input:
                try:
                    self._add(node)
                except NotFree:
                    raise
                except Misfit as misfit:
                    problems.append(f'  "{shown(node.name)}" ({node.type}): {misfit}')
                    self._handles.update({v: Handle(self._values[v], self.shapes[v]) for v in node.tops})
        if problems:
            raise UnsupportedError("cannot be said in ONNX:", lines=problems)
        self._add_outputs()

    def need(self, node: Node, opset: int, why: str) -> None:
        self.needs.append((node, opset, why))

    def initializer(self, name: str, array: np.ndarray, shape: Sequence[int], key: Any = None) -> Handle:
        """A tensor of the model; one blob under one shape, and one small constant, is kept once."""
        kind = {"f": self.float, "i": np.dtype(np.int64), "u": np.dtype(np.int64), "b": np.dtype(np.bool_)}
        dtype = kind[array.dtype.kind]
        if key is None and (array.ndim == 0 or (array.dtype.kind != "f" and array.size <= 16)):
            key = (dtype.str, tuple(shape), array.astype(dtype).tobytes())
            name = name.rpartition(".")[2]
        if key is not None and key in self._tensors:
            return self._tensors[key][0]
        handle = Handle(self.name(name), shape)
        self._tensors[handle if key is None else key] = (handle, Tensor(handle, array, dtype, tuple(shape)))
        return handle

    def define(self, kind: str, body: Callable[..., Any], inputs: Sequence[Handle]) -> None:
        """The local function `caffe2py.KIND`, once."""
        if kind in self._defined:
            return
        names = list(inspect.signature(body).parameters)[1:]
        inner = Builder(self, Node(kind, Layer(), (), ()))
        top = body(inner, *[Handle(n, x.known) for n, x in zip(names, inputs, strict=True)])
        imports = [helper.make_opsetid("", self.opset)]
        self._defined[kind] = helper.make_function("caffe2py", kind, names, [top], inner.nodes, imports)

    def _add_inputs(self) -> None:
        for node in self.graph.nodes:
            for v in node.tops if node.layer.is_input else ():
                self._handles[v] = Handle(self._values[v], self.shapes[v])
                outer = Handle(self._inputs[v.blob], self.shapes[v])
                self._ask(v, outer)
                if self.float16:
                    self._nodes.append(self._cast(outer, self._values[v], self.float_type))

    def _ask(self, value: Value, handle: Handle) -> None:
        """Ask this value for the free size that it has, where no other is asked already."""
        if value in self.axes:
            axis, symbol = self.axes[value]
            self.symbols.setdefault(symbol, (handle, axis))

    def _add_outputs(self) -> None:
        for blob, v in zip(self.graph.outputs, self.graph.results, strict=True):
            name, made = self._outputs[blob], self._handles[v]
            if self.float16:
                self._nodes.append(self._cast(made, name, onnx.TensorProto.FLOAT))
            elif made != name:
                self._nodes.append(helper.make_node("Identity", [made], [name], self._node_name(blob)))

    def _cast(self, x: str, name: str, to: int) -> onnx.NodeProto:
        return helper.make_node("Cast", [x], [name], self._node_name(f"{name}/Cast"), to=to)

    def _add(self, node: Node) -> None:
        g = Builder(self, node)
        said = node.layer.onnx(g, *[self._handles[v] for v in node.bottoms])
        tops = [said] if isinstance(said, Handle) else list(said)
        if len(tops) != len(node.tops):
            raise Misfit(f"says {len(tops)} values in ONNX for {len(node.tops)} tops")
        made = {name for n in g.nodes for name in n.output}
        renamed: dict[str, str] = {}
        for v, top in zip(node.tops, tops, strict=True):
            if top in made and top not in renamed:
                renamed[top] = self._values[v]
            self._handles[v] = Handle(renamed.get(top, top), self.shapes[v])
            self._ask(v, self._handles[v])
        for n in g.nodes:
            n.input[:] = [renamed.get(x, x) for x in n.input]
            n.output[:] = [renamed.get(x, x) for x in n.output]
            n.name = self._node_name(node.name if len(g.nodes) == 1 else f"{node.name}/{n.op_type}")
        self._nodes += g.nodes

    def finish(self) -> OnnxProgram:
        """The model without its initializers and metadata."""
        infos = {v: self._info(self._handles[v], v) for v in self._handles}
        ends = {*self._inputs.values(), *self._outputs.values()}
        graph = onnx.GraphProto(name=utf8(self.graph.name) or "net", node=self._nodes)
        graph.input.extend(
            self._info(self._inputs[v.blob], v, onnx.TensorProto.FLOAT)
            for n in self.graph.nodes
            if n.layer.is_input
            for v in n.tops
        )
        results = zip(self.graph.outputs, self.graph.results, strict=True)
        graph.output.extend(self._info(self._outputs[blob], v, onnx.TensorProto.FLOAT) for blob, v in results)
        graph.value_info.extend({i.name: i for i in infos.values() if i.name not in ends}.values())
        imports = [helper.make_opsetid("", self.opset)]
        if self._defined:
            imports.append(helper.make_opsetid("caffe2py", 1))
        version = helper.find_min_ir_version_for(imports[:1])
        proto = ModelProto(
            ir_version=max(version, FUNCTIONS_OPSET_IR) if self._defined else version,
            producer_name="caffe2py",
            producer_version=__version__,
            opset_import=imports,
            functions=self._defined.values(),
            graph=graph,
        )
        names = {v: str(h) for v, h in self._handles.items()}
        tensors = tuple(t for _, t in self._tensors.values())
        return OnnxProgram(self.graph, proto, tensors, names, self._inputs, self._outputs)

    def _info(self, name: str, value: Value, kind: int | None = None) -> onnx.ValueInfoProto:
        dims = [str(d) if isinstance(d, Size) else d for d in self.shapes[value]]
        return helper.make_tensor_value_info(name, kind or self.float_type, dims)
