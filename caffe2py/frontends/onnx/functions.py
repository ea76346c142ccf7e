"""The functions of a model, put where they are called."""

from __future__ import annotations

from collections.abc import Iterable

from onnx import ModelProto, NodeProto

from caffe2py.errors import FileError
from caffe2py.frontends.onnx.folding import subgraphs
from caffe2py.proto.disk.damage import damage_told

MOST = 10**6  # nodes that a model may have, its functions' bodies counted wherever they are called
DEEPEST = 100  # functions that call each other


def inlined(model: ModelProto, path: str) -> ModelProto:
    """The model with the body of each function in the place of its calls.

    Raises `FileError` for functions that call each other without end, or grow beyond measure: a few functions, each of
    which calls the next ten times, are billions of nodes.
    """
    if not model.functions:
        return model
    bodies = {(f.domain, f.name, f.overload): f.node for f in model.functions}
    sizes: dict[tuple[str, str, str], int] = {}

    def size(nodes: Iterable[NodeProto], depth: int) -> int:
        if depth > DEEPEST:
            raise FileError(f"functions of the model call each other more than {DEEPEST} deep", path)
        total = 0
        for node in nodes:
            key = (node.domain, node.op_type, node.overload)
            if key in bodies and key not in sizes:
                sizes[key] = size(bodies[key], depth + 1)
            total += sizes.get(key, 1)
            total += sum(size(g.node, depth + 1) for a in node.attribute for g in subgraphs(a))
            if total > MOST:
                raise FileError(f"the model has more than {MOST} nodes where its functions are called", path)
        return total

    size(model.graph.node, 0)
    from onnx.inliner import inline_local_functions

    with damage_told(path, "model"):
        return inline_local_functions(model)
