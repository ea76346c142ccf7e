"""Names in an ONNX file: Caffe's own, each given once."""

from __future__ import annotations

from caffe2py.backends.names import Namer
from caffe2py.graph import Graph, Value


def utf8(name: str) -> str:
    """A name that ONNX takes: bytes that are no UTF-8 are written out, as `\\xff`; an empty one is `_`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") or "_"


def value_names(graph: Graph, namer: Namer, *, apart: bool) -> tuple[dict[Value, str], dict[str, str], dict[str, str]]:
    """The names of all values, of the inputs by blob, and of the outputs by blob.

    Inputs and outputs have the names of their blobs. Any other value is called as it prints: `conv1`, `conv1#2`;
    the first version is `prob#1` where the output is `prob`. ONNX names each value once, so that an output is
    `data#2` where the input `data` was overwritten. `apart`: values within have names of their own at the ends too.
    """
    made = {v: v.blob for node in graph.nodes if node.layer.is_input for v in node.tops}
    inputs = {blob: namer(blob) for blob in made.values()}
    values = {} if apart else {v: inputs[blob] for v, blob in made.items()}
    outputs = {}
    for blob, v in zip(graph.outputs, graph.results, strict=True):
        if not namer.free(blob):
            outputs[blob] = namer(f"{blob}#{max(v.version, 2)}")
        else:
            outputs[blob] = namer(blob)
        if not apart and v not in values and v.blob == blob:
            values[v] = outputs[blob]
    for v in graph.shapes:
        if v not in values:
            values[v] = namer(str(v) if namer.free(str(v)) else f"{v.blob}#{v.version}")
    return values, inputs, outputs
