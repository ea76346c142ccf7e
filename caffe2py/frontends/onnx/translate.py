"""An ONNX model as a Caffe net: every operator in its turn, and one error for all that cannot be said."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto
from onnx.defs import onnx_opset_version

from caffe2py.errors import NetError, UnsupportedError
from caffe2py.frontends.caffe.draft import Blob, Draft, Unsayable
from caffe2py.frontends.caffe.targets import Target
from caffe2py.frontends.caffe.targets import target as named
from caffe2py.frontends.onnx.file import OnnxFile, opset_of, read_onnx, tensor_array
from caffe2py.frontends.onnx.folding import WHOLE, checked, folded, growth, inferred
from caffe2py.frontends.onnx.functions import inlined
from caffe2py.frontends.onnx.node import Node, Value, attributes_of, translations
from caffe2py.frontends.onnx.subgraphs import Layer, Write, facts_of, may_be, recognised
from caffe2py.graph import Graph
from caffe2py.layers.base import Shape

OLDEST = 7  # the opset whose operators are the first that are read
BROKEN = (TypeError, ValueError, LookupError, ArithmeticError, MemoryError, AttributeError)
MOVES = frozenset(
    "Expand Flatten Identity Reshape Slice Split Squeeze Tile Transpose Unsqueeze".split()
)  # which may as well be done before what is moved is cut to whole numbers
OWN_DOMAIN = ("", "ai.onnx")
ROUNDS = "the model computes in 16 bits, Caffe in 32: outputs are equal but for the model's own rounding"
HALF = (TensorProto.FLOAT16, TensorProto.BFLOAT16)


def load_onnx(
    path: str | os.PathLike[str],
    *,
    inputs: Mapping[str, Shape] | None = None,
    target: Target | str | None = None,
    axpy: bool = False,
    write: Write | None = None,
) -> Graph:
    """Read an ONNX model as a graph of Caffe's layers.

    Shapes are Caffe's, fixed: a free first axis of an input becomes 1, every other free one is told by `inputs`.
    `target` says which Caffe must read the net; with `axpy` a gated sum becomes the SENet release's layer.
    `write` says nets in ONNX: what it makes of a layer of the target's dialect is told as that layer. Raises
    `UnsupportedError`, which lists every operator that Caffe cannot say exactly, `FileError` for what is no model.
    """
    found = read_onnx(path)
    found.model = inlined(found.model, found.path)
    opset = opset_of(found.model)
    newest = onnx_opset_version()
    if not OLDEST <= opset <= newest:
        raise UnsupportedError(f"the model is of opset {opset}; want {OLDEST} to {newest}", found.path)
    walk = _Walk(found, opset, Draft(named(target)), axpy)
    walk.inputs(dict(inputs or {}))
    if write is not None and may_be(walk.draft.target):
        walk.recognise(write)
    for node in found.model.graph.node:
        walk.node(node)
    return walk.finish()


@dataclass
class _Walk:
    """The model as far as it is translated."""

    file: OnnxFile
    opset: int
    draft: Draft
    axpy: bool
    values: dict[str, Value] = field(default_factory=dict)
    whole: dict[str, bool] = field(default_factory=dict)
    strange: set[str] = field(default_factory=set)  # values that could not be made
    faults: list[str] = field(default_factory=list)
    layers: dict[str, Layer] = field(default_factory=dict)  # those of several nodes, by what they make
    inside: set[str] = field(default_factory=set)  # what is made on the way
    half: bool = False  # does the model round values to 16 bits?
    grown: int = 0  # values that were computed, beyond those of which they were

    def inputs(self, shapes: dict[str, Shape]) -> None:
        self.values.update(self.file.tensors)
        for tensor in self.file.model.graph.sparse_initializer:
            self.faults.append(f'initializer "{tensor.values.name}" is sparse')
        for given in self.file.model.graph.input:
            if given.name not in self.values:
                shape = _input_shape(given, shapes.pop(given.name, None), self.file.path)
                try:
                    blob = self.draft.input(given.name, shape)
                except Unsayable as error:
                    self.faults.append(str(error))
                    blob = Blob(shape, given.name)
                blob.whole = given.type.tensor_type.elem_type in WHOLE
                self.values[given.name], self.whole[given.name] = blob, blob.whole
                self.half |= given.type.tensor_type.elem_type in HALF
        if shapes:
            have = ", ".join(i.name for i in self.file.model.graph.input if i.name not in self.file.tensors)
            raise NetError(f'the model has no input "{next(iter(shapes))}"; its inputs are {have}', self.file.path)

    def recognise(self, write: Write) -> None:
        """Find the layers of the target's dialect that are said in many nodes."""
        tensors = {k: v for k, v in self.values.items() if isinstance(v, np.ndarray)}
        shapes = {k: v.shape for k, v in self.values.items() if isinstance(v, Blob)}
        try:
            facts = facts_of(self.file.model.graph, tensors, shapes, self.opset)
            self.layers, self.inside = recognised(facts, self.opset, self.draft.target, write)
        except BROKEN:
            return  # a model may hold anything; what is in no layer is told, node by node

    def node(self, node: NodeProto) -> None:
        if self.inside.issuperset(node.output):
            for top in self.layers.keys() & node.output:
                self._layer(top, self.layers[top])
            return
        name = node.name or next(filter(None, node.output), node.op_type)
        for top in node.output:
            if top in self.values or top in self.strange:
                raise NetError(f'node "{name}" ({node.op_type}) makes "{top}", which is there already', self.file.path)
        if self.strange.intersection(node.input):
            self.strange.update(node.output)
            return
        missing = [i for i in node.input if i and i not in self.values]
        if missing:
            raise NetError(f'node "{name}" ({node.op_type}) reads "{missing[0]}", which nobody makes', self.file.path)
        start = len(self.draft.entries)
        inputs = [self.values[i] if i else None for i in node.input]
        if node.op_type == "If" and node.domain in OWN_DOMAIN and inputs and isinstance(inputs[0], np.ndarray):
            self._branch(node, "then_branch" if inputs[0].any() else "else_branch")
            return
        try:
            made = self._made(node, name, inputs)
        except Unsayable as error:
            domain = "" if node.domain in OWN_DOMAIN else f"{node.domain}."
            self.faults.append(f'node "{name}" ({domain}{node.op_type}): {error}')
            self._stand_in(node, inputs)
            return
        results = {top: value for top, value in zip(node.output, made, strict=False) if top and value is not None}
        self.draft.named(start, self._layer_name(node, name), {t: v for t, v in results.items() if isinstance(v, Blob)})
        self.values.update(results)

    def _layer(self, top: str, layer: Layer) -> None:
        """A layer of many nodes; its name is that of its top."""
        start = len(self.draft.entries)
        if self.strange.intersection(layer.inputs):
            self.strange.add(top)
            return
        values = [self.values[name] for name in layer.inputs]
        try:
            bottoms = [self.draft.constant(v) if isinstance(v, np.ndarray) else v for v in values]
            made = self.draft.layer(layer.type, *bottoms, fork=layer.fork)
        except Unsayable as error:
            self.faults.append(f'"{top}": {error}')
            self.strange.add(top)
            return
        self.draft.named(start, top, {top: made})
        self.values[top] = made

    def _made(self, node: NodeProto, name: str, inputs: Sequence[Value | None]) -> Sequence[Value | None]:
        constants = folded(node, inputs, self.opset, self.grown)
        if constants is not None:
            self.grown += growth(constants, inputs)
            return constants
        translation = translations().get(node.op_type) if node.domain in OWN_DOMAIN else None
        if translation is None:
            raise Unsayable("no layer of Caffe says this operator")
        checked(node, self.opset)
        shapes, whole = inferred(node, inputs, self.opset, self.whole)
        words = attributes_of(node)
        self.half |= node.op_type == "Cast" and words["to"] in HALF
        moves_cut = node.op_type in MOVES and isinstance(inputs[0], Blob) and inputs[0].of is not None
        if moves_cut:
            inputs = [inputs[0].of, *inputs[1:]]  # type: ignore[union-attr]
        try:
            made = translation(Node(node.op_type, name, inputs, words, shapes, self.opset, self.axpy), self.draft)
        except BROKEN as error:  # a model may hold anything, and a node may be what no translation thinks of
            raise Unsayable(f"is not understood ({type(error).__name__}: {error})") from None
        given = [made] if isinstance(made, (Blob, np.ndarray)) else list(made)
        results: list[Value | None] = [r if r is None or isinstance(r, Blob) else np.asarray(r) for r in given]
        if moves_cut:
            results = [Blob(r.shape, of=r) if isinstance(r, Blob) else r for r in results]
        for top, shape, value in zip(node.output, shapes, results, strict=False):
            if shape is not None and value is not None and tuple(value.shape) != shape:
                raise Unsayable(f"is of shape {shape} in ONNX, and would be {tuple(value.shape)} here")
            self.whole[top] = whole[list(node.output).index(top)]
        wanted = sum(1 for top in node.output if top)
        if sum(1 for r in results if r is not None) < wanted:
            raise Unsayable("has outputs that no layer of Caffe makes")
        return results

    def _branch(self, node: NodeProto, taken: str) -> None:
        """An If whose condition is known: the nodes of one branch stand in its place."""
        graph = attributes_of(node).get(taken)
        if not isinstance(graph, GraphProto) or len(graph.output) != len(node.output):
            raise NetError(f'node "{node.name}" (If) has no {taken} for its outputs', self.file.path)
        self.values.update({t.name: tensor_array(t, None, self.file.path) for t in graph.initializer})
        for inner in graph.node:
            self.node(inner)
        for top, out in zip(node.output, graph.output, strict=True):
            if out.name in self.values:
                self.values[top] = self.values[out.name]
            elif out.name in self.strange:
                self.strange.add(top)
            else:
                raise NetError(f'node "{node.name}" (If) gives "{out.name}", which nobody makes', self.file.path)

    def _stand_in(self, node: NodeProto, inputs: Sequence[Value | None]) -> None:
        """Blobs of nobody for the outputs of what cannot be said, so that all else that cannot be is found too."""
        shapes, _ = inferred(node, inputs, self.opset, self.whole)
        for top, shape in zip(node.output, shapes, strict=True):
            if shape is None:
                self.strange.add(top)
            else:
                self.values[top] = Blob(shape)

    def _layer_name(self, node: NodeProto, name: str) -> str:
        """A layer with weights has the name of the module whose weights they are, where that can be told."""
        stems = [i.removesuffix(".weight") for i in node.input[1:2] if i in self.file.tensors and i.endswith(".weight")]
        return stems[0] if stems else name

    def finish(self) -> Graph:
        if self.faults:
            count = f"{len(self.faults)} operators" if len(self.faults) > 1 else "an operator"
            target = self.draft.target.name
            fact = f"{count} of the model cannot be said exactly in layers of Caffe ({target})"
            raise UnsupportedError(fact, self.file.path, self.faults)
        graph = self.file.model.graph
        try:
            outputs = {out.name: self._output(out.name) for out in graph.output}
            made = self.draft.finish(graph.name, outputs, self.file.path)
        except Unsayable as error:
            raise UnsupportedError(str(error), self.file.path) from None
        return replace(made, notes=(*made.notes, ROUNDS)) if self.half else made

    def _output(self, name: str) -> Blob:
        if name not in self.values:
            raise NetError(f'output "{name}" is made by nobody', self.file.path)
        value = self.values[name]
        if isinstance(value, np.ndarray):
            if not value.size:
                raise Unsayable(f'output "{name}" is empty')
            start = len(self.draft.entries)
            value = self.draft.constant(value)
            self.draft.named(start, name, {name: value})
        if value.truncated:
            raise Unsayable(f'output "{name}" is cut to whole numbers')
        return value


def _input_shape(given: ValueInfoProto, told: Shape | None, path: str) -> Shape:
    """The shape of an input: what is told, else the model's own, whose first axis may be free."""
    tensor = given.type.tensor_type
    if tensor.elem_type == TensorProto.STRING or not given.type.HasField("tensor_type"):
        raise UnsupportedError(f'input "{given.name}" is no tensor of numbers', path)
    if told is not None:
        return tuple(told)
    dims = [d.dim_value if d.HasField("dim_value") else 0 for d in tensor.shape.dim]
    if dims and dims[0] == 0:
        dims[0] = 1
    if not tensor.HasField("shape") or 0 in dims:
        free = ",".join(str(d) if d else "?" for d in dims)
        fact = f'input "{given.name}" has free sizes ({free}); want them by --input {given.name}=...'
        raise UnsupportedError(fact, path)
    return tuple(dims)
