"""An ONNX file: its model without the large tensors, and those as views on the file's map.

protobuf would read every tensor twice into memory; so the file is scanned, and what is large is cut out of what
protobuf parses. Source: onnx.proto, and ONNX's "External Data" for tensors in other files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from mmap import mmap
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper

from caffe2py.errors import FileError
from caffe2py.frontends.tensors.values import viewed
from caffe2py.proto.disk.damage import damage_told
from caffe2py.proto.disk.files import map_file
from caffe2py.proto.weights.wire import LEN, Field, WireError, encode_field, fields

LARGE = 1024  # bytes from which a tensor stays in the file
GRAPH = ModelProto.GRAPH_FIELD_NUMBER
INITIALIZER = GraphProto.INITIALIZER_FIELD_NUMBER
RAW_DATA = TensorProto.RAW_DATA_FIELD_NUMBER
EXTERNAL = TensorProto.EXTERNAL


@dataclass
class OnnxFile:
    """A model whose initializers stand aside, by their names."""

    path: str
    model: ModelProto
    tensors: dict[str, np.ndarray] = field(default_factory=dict)


def read_onnx(path: str | os.PathLike[str]) -> OnnxFile:
    """Read a model, its weights mapped where they are large. Raises `FileError` for what is no ONNX model."""
    name = os.fspath(path)
    buffer = map_file(path)
    graphs: list[bytes] = []
    tensors: list[tuple[TensorProto, memoryview | None]] = []
    try:
        rest = [buffer[f.at : f.end] for f in fields(buffer, 0, len(buffer)) if f.number != GRAPH]
        for f in fields(buffer, 0, len(buffer)):
            if f.number == GRAPH and f.wire == LEN:
                graphs.append(_graph(buffer, f, tensors))
        model = ModelProto.FromString(b"".join([*rest, *(encode_field(GRAPH, g) for g in graphs)]))
    except (WireError, DecodeError) as error:
        raise FileError(f"this is no ONNX model ({error})", name) from None
    for names in _names(model):
        if any(isinstance(n, bytes) for n in names):
            raise FileError("a name in the model is no UTF-8 text", name)
    if not graphs or not model.opset_import:
        raise FileError("this is no ONNX model: it has no graph, or says no opset", name)
    found = OnnxFile(name, model)
    maps: dict[Path, mmap] = {}
    for tensor, data in tensors:
        if tensor.name in found.tensors:
            raise FileError(f'two initializers are called "{tensor.name}"', name)
        found.tensors[tensor.name] = tensor_array(tensor, data, name, maps)
    _take_constants(found, maps)
    return found


def _names(model: ModelProto) -> Iterator[Iterable[Any]]:
    """All names of the graph. protobuf gives those that are no text as bytes."""
    graph = model.graph
    yield (graph.name, *(i.name for i in (*graph.input, *graph.output)))
    for node in graph.node:
        yield (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield (a.name for a in node.attribute)


def _graph(buffer: mmap, graph: Field, tensors: list[tuple[TensorProto, memoryview | None]]) -> bytes:
    """The graph's bytes without its initializers, which are added to `tensors`."""
    kept = []
    for f in fields(buffer, graph.start, graph.end):
        if f.number != INITIALIZER or f.wire != LEN:
            kept.append(buffer[f.at : f.end])
            continue
        head, data = [], None
        for part in fields(buffer, f.start, f.end):
            if part.number == RAW_DATA and part.end - part.start >= LARGE:
                data = memoryview(buffer)[part.start : part.end]
            else:
                head.append(buffer[part.at : part.end])
        tensors.append((TensorProto.FromString(b"".join(head)), data))
    return b"".join(kept)


def _take_constants(found: OnnxFile, maps: dict[Path, mmap]) -> None:
    """Constant nodes whose values lie in another file: the only tensors outside the initializers that may."""
    for node in found.model.graph.node:
        for attribute in node.attribute:
            if attribute.t.data_location == EXTERNAL:
                array = tensor_array(attribute.t, None, found.path, maps)
                attribute.t.CopyFrom(numpy_helper.from_array(array))


def tensor_array(
    tensor: TensorProto, data: memoryview | None, path: str, maps: dict[Path, mmap] | None = None
) -> np.ndarray:
    """The values of a tensor of the model at `path`. Of what is large, a view."""
    with damage_told(path, f'tensor "{tensor.name}"'):
        if tensor.data_location == EXTERNAL:
            data = _outside(tensor, path, {} if maps is None else maps)
        if data is None:
            return numpy_helper.to_array(tensor)
        if tensor.data_type in (TensorProto.INT4, TensorProto.UINT4, TensorProto.FLOAT4E2M1, TensorProto.STRING):
            whole = TensorProto()
            whole.CopyFrom(tensor)
            whole.ClearField("external_data")
            whole.ClearField("data_location")
            whole.raw_data = bytes(data)
            return numpy_helper.to_array(whole)
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).newbyteorder("<")
        return viewed(data, dtype, tuple(tensor.dims))


def _outside(tensor: TensorProto, model: str, maps: dict[Path, mmap]) -> memoryview:
    """The bytes of a tensor in another file of the model's folder."""
    place: dict[str, Any] = {entry.key: entry.value for entry in tensor.external_data}
    folder, location = Path(model).parent, place.get("location", "")
    path = folder / location
    inside = Path(os.path.realpath(folder))
    if not location or "\0" in location or inside not in Path(os.path.realpath(path)).parents:
        raise FileError(f'tensor "{tensor.name}" lies in "{location}"; want a file in the model\'s folder', model)
    if path not in maps:
        maps[path] = map_file(path)
    whole = memoryview(maps[path])
    try:
        start = int(place.get("offset", 0))
        stop = start + int(place["length"]) if "length" in place else len(whole)
    except ValueError:
        raise FileError(f'tensor "{tensor.name}": its offset or length is no number', str(path)) from None
    if not 0 <= start <= stop <= len(whole):
        fact = f'tensor "{tensor.name}" lies at bytes {start} to {stop}; the file has {len(whole)}'
        raise FileError(fact, str(path))
    return whole[start:stop]


def opset_of(model: ModelProto) -> int:
    """The opset of ONNX's own operators."""
    return next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), onnx.defs.onnx_opset_version())
