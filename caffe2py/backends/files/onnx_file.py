"""`.onnx`: the model streamed to the disk, each weight from the weights file's map without a copy.

A protobuf message is a row of fields, so the file is the serialized model without its tensors, cut where the tensors
belong, with each of them put in between: byte for byte what `to_onnx(graph).SerializeToString()` is.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import onnx
from onnx import GraphProto, ModelProto, TensorProto, helper

from caffe2py.backends.convert import beside
from caffe2py.backends.onnx.builder import Tensor
from caffe2py.backends.onnx.model import OnnxProgram, onnx_program, proto_head
from caffe2py.backends.provenance import metadata
from caffe2py.graph import Graph
from caffe2py.proto.disk.files import written_whole
from caffe2py.proto.weights.wire import encode_head

GRAPH, INITIALIZER, RAW_DATA = (
    ModelProto.GRAPH_FIELD_NUMBER,
    GraphProto.INITIALIZER_FIELD_NUMBER,
    TensorProto.RAW_DATA_FIELD_NUMBER,
)
LARGEST = 2**31 - 2**20  # protobuf reads messages below 2 GiB; a megabyte is left for all that is no weight
INSIDE = 1024  # where the weights stand aside, tensors of up to so many bytes stay: shapes, axes, scalars
PAGE = 4096  # ONNX asks for tensors that begin at a page, so that they can be mapped


def write(graph: Graph, path: Path, **options: Any) -> list[Path]:
    """Write `net.onnx`, and weights of 2 GB and more in `net.onnx.data` beside it. Options as `to_onnx`."""
    with ThreadPoolExecutor(1) as pool:
        said = pool.submit(metadata, graph)  # hashes both files while the model is built and written
        made = onnx_program(graph, **options)
        aside = sum(t.nbytes for t in made.tensors) >= LARGEST
        (data,) = beside(path)
        with ExitStack() as stack:
            file = stack.enter_context(open(stack.enter_context(written_whole(path)), "wb"))
            weights = stack.enter_context(open(stack.enter_context(written_whole(data)), "wb")) if aside else None
            heads = [(_outside(t, weights, data.name) if weights else None) or _inside(t) for t in made.tensors]
            _write_model(file, made, heads)
            rest = ModelProto(opset_import=made.proto.opset_import, functions=made.proto.functions)
            helper.set_model_props(rest, said.result())
            file.write(rest.SerializeToString())
    return [path, data] if aside else [path]


def _write_model(file: BinaryIO, made: OnnxProgram, tensors: Sequence[tuple[bytes, Tensor | None]]) -> None:
    """The model up to its graph, and the graph with its tensors."""
    first = ModelProto()
    first.CopyFrom(made.proto)
    for name in ("graph", "opset_import", "functions"):
        first.ClearField(name)
    before = GraphProto(node=made.proto.graph.node, name=made.proto.graph.name).SerializeToString()
    behind = GraphProto()
    behind.CopyFrom(made.proto.graph)
    behind.ClearField("node")
    behind.ClearField("name")
    after = behind.SerializeToString()
    sizes = [len(head) + (t.nbytes if t else 0) for head, t in tensors]
    heads = [encode_head(INITIALIZER, size) for size in sizes]
    file.write(first.SerializeToString())
    file.write(encode_head(GRAPH, len(before) + sum(map(len, heads)) + sum(sizes) + len(after)))
    file.write(before)
    for field, (head, tensor) in zip(heads, tensors, strict=True):
        file.write(field + head)
        if tensor is not None:
            file.write(tensor.data())
    file.write(after)


def _inside(tensor: Tensor) -> tuple[bytes, Tensor]:
    """A tensor's message up to its bytes, and the tensor."""
    return proto_head(tensor).SerializeToString() + encode_head(RAW_DATA, tensor.nbytes), tensor


def _outside(tensor: Tensor, file: BinaryIO, name: str) -> tuple[bytes, None] | None:
    """The message of a tensor whose bytes are written to the sibling file; None for a small one, which stays."""
    if tensor.nbytes <= INSIDE:
        return None
    file.write(bytes(-file.tell() % PAGE))
    place = {"location": name, "offset": str(file.tell()), "length": str(tensor.nbytes)}
    file.write(tensor.data())
    entries = [onnx.StringStringEntryProto(key=key, value=value) for key, value in place.items()]
    head = proto_head(tensor, external_data=entries, data_location=TensorProto.EXTERNAL)
    return head.SerializeToString(), None
