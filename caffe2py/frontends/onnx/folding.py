"""What of an ONNX graph is known before it runs: constants, and all that is computed of them and of shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from caffe2py.errors import first_line
from caffe2py.frontends.caffe.draft import Blob, Unsayable, limited
from caffe2py.frontends.onnx.node import Value, attributes_of
from caffe2py.layers.base import Shape

SMALL = 64  # values that ONNX's shape inference may want to see
RANDOM = ("Random", "Bernoulli", "Multinomial")  # how the names of operators begin that draw numbers
SELECTING = frozenset({"Compress", "NonZero", "Unique"})  # whose outputs are as large as the values say, at most as x
WHOLE = {getattr(TensorProto, f"{sign}INT{bits}") for sign in ("", "U") for bits in (8, 16, 32, 64)} | {
    TensorProto.BOOL
}


def folded(node: NodeProto, inputs: Sequence[Value | None], opset: int, before: int = 0) -> list[np.ndarray] | None:
    """The outputs of a node whose outputs are known now; None where they are not.

    Raises `Unsayable` where these are too many values, with the count of those that were made `before`.
    """
    if node.domain not in ("", "ai.onnx"):
        return None
    if node.op_type == "Constant":
        return [_constant(node)]
    if node.op_type in ("Shape", "Size") and isinstance(inputs[0], Blob):
        return [_shape(node, inputs[0].shape)]
    drawn = node.op_type.startswith(RANDOM)
    if any(isinstance(x, Blob) for x in inputs) or drawn or not inputs or any(map(subgraphs, node.attribute)):
        return None
    arrays = [None if x is None else np.asarray(x) for x in inputs]
    if node.op_type == "Identity" and arrays[0] is not None:
        return [arrays[0]]
    if node.op_type not in SELECTING:
        _allowed(node, inferred(node, inputs, opset, {})[0], before - sum(a.size for a in arrays if a is not None))
    return evaluated(node, arrays, opset)


def growth(made: Sequence[np.ndarray], inputs: Sequence[Value | None]) -> int:
    """How many values were computed, beyond those of which they were."""
    return max(sum(m.size for m in made) - sum(x.size for x in inputs if isinstance(x, np.ndarray)), 0)


def subgraphs(attribute: onnx.AttributeProto) -> list[onnx.GraphProto]:
    """The graphs that an attribute holds."""
    return [attribute.g] if attribute.HasField("g") else list(attribute.graphs)


def _allowed(node: NodeProto, shapes: Sequence[Shape | None], more: int) -> None:
    """Raise `Unsayable` where values of these shapes and `more` are too many: a few bytes can ask for any number."""
    if any(top and shape is None for top, shape in zip(node.output, shapes, strict=True)):
        raise Unsayable("is not computed: its size is not known")
    limited(sum(math.prod(shape) for shape in shapes if shape is not None) + more)


def _constant(node: NodeProto) -> np.ndarray:
    (name, value), *_ = attributes_of(node).items()
    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    if name not in ("value_float", "value_floats", "value_int", "value_ints"):
        raise Unsayable(f"a constant of kind {name}")
    return np.array(value, np.float32 if "float" in name else np.int64)


def _shape(node: NodeProto, shape: Shape) -> np.ndarray:
    if node.op_type == "Size":
        return np.array(np.prod(shape, dtype=np.int64))
    words = attributes_of(node)
    return np.array(shape[words.get("start", 0) : words.get("end", len(shape))], np.int64)


def evaluated(node: NodeProto, arrays: Sequence[np.ndarray | None], opset: int) -> list[np.ndarray]:
    """What a node makes of these values, by ONNX's own reference. Raises `Unsayable` where that fails."""
    from onnx.reference import ReferenceEvaluator

    names = [f"x{i}" if a is not None else "" for i, a in enumerate(arrays)]
    outputs = [f"y{i}" for i, name in enumerate(node.output) if name]
    alone = NodeProto()
    alone.CopyFrom(node)
    del alone.input[:], alone.output[:]
    alone.input.extend(names)
    alone.output.extend(f"y{i}" if name else "" for i, name in enumerate(node.output))
    given = {name: a for name, a in zip(names, arrays, strict=True) if a is not None}
    ins = [_info(name, a.dtype, a.shape) for name, a in given.items()]
    outs = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in outputs]
    graph = helper.make_graph([alone], "alone", ins, outs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    try:
        made = ReferenceEvaluator(model).run(None, given)
    except Exception as error:  # the reference raises kinds of every sort
        raise Unsayable(f"is not computed ({first_line(error)})") from None
    found = iter(np.asarray(m) for m in made)
    return [next(found) if name else np.empty(0) for name in node.output]


def _info(name: str, dtype: np.dtype, shape: Shape) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), shape)


def checked(node: NodeProto, opset: int) -> None:
    """Raise `Unsayable` for a node that has not the inputs and attributes of its operator."""
    context = onnx.checker.C.CheckerContext()
    context.ir_version, context.opset_imports = onnx.IR_VERSION, {"": opset}
    try:
        onnx.checker.check_node(node, context)
    except onnx.checker.ValidationError as error:
        raise Unsayable(f"is not as ONNX has it: {first_line(error)}") from None


def inferred(
    node: NodeProto, inputs: Sequence[Value | None], opset: int, whole: Mapping[str, bool]
) -> tuple[list[Shape | None], list[bool]]:
    """The shapes of a node's outputs as ONNX infers them, and whether they hold whole numbers."""
    count = len(node.output)
    nothing: tuple[list[Shape | None], list[bool]] = [None] * count, [False] * count
    if node.domain not in ("", "ai.onnx") or not onnx.defs.has(node.op_type, opset, ""):
        return nothing
    types, data = {}, {}
    for name, x in zip(node.input, inputs, strict=True):
        if x is None:
            continue
        if isinstance(x, Blob):
            kind = TensorProto.INT64 if whole.get(name) else TensorProto.FLOAT
            types[name] = helper.make_tensor_type_proto(kind, x.shape)
        else:
            types[name] = helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
            if x.size <= SMALL:
                data[name] = numpy_helper.from_array(np.asarray(x, order="C"))
    schema = onnx.defs.get_schema(node.op_type, opset, "")
    imports = [helper.make_opsetid("", opset)]
    try:
        made = onnx.shape_inference.infer_node_outputs(schema, node, types, data, opset_imports=imports)
    except Exception:  # its kinds are many; the translation tells what is wrong
        return nothing
    found = [made[name].tensor_type if name in made else None for name in node.output]
    shapes = [_dims(t) if t is not None else None for t in found]
    return shapes, [t is not None and t.elem_type in WHOLE for t in found]


def _dims(tensor: onnx.TypeProto.Tensor) -> Shape | None:
    dims = tensor.shape.dim
    if not tensor.HasField("shape") or not all(d.HasField("dim_value") for d in dims):
        return None
    return tuple(d.dim_value for d in dims)
