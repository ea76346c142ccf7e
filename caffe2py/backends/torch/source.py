"""Graph to Python text: a standalone torch module that says what the net does.

The text is the translation. The module that runs is this text, compiled, so that an emitted file and the
module in memory cannot differ. Three styles:

- exact: one step for each Caffe layer, in Caffe's order, with Caffe's own blobs as parameters and buffers.
- flat: a line for each layer; BatchNorm with Scale is one nn.BatchNorm, layers that do nothing are gone.
- readable: what a person would write: a class for what repeats, its widths computed, nothing said twice. What has
  nothing to repeat has the members of the flat style; what cannot be said so is said as there.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from contextlib import suppress

from caffe2py.backends.torch.flat import FlatWriter
from caffe2py.backends.torch.readable.file import write
from caffe2py.backends.torch.readable.ops import Unfit
from caffe2py.backends.torch.writing.program import Program
from caffe2py.errors import CaffeError, NetError, UnsupportedError, shown
from caffe2py.graph import Graph, Value
from caffe2py.graph.unread import check_all_read
from caffe2py.layers.base import Misfit, layer_types
from caffe2py.layers.base.opaque import Opaque
from caffe2py.passes import FLAT

STYLES = ("readable", "flat", "exact")
DEFAULT = "readable"


def to_source(graph: Graph, style: str = DEFAULT, weights: str | None = None) -> str:
    """The net as a Python file that imports torch and nothing else.

    `style` is "readable", "flat" or "exact" (see above). `weights` is the name of the `.pth` or `.safetensors` beside
    the file that its `load()` reads unless told otherwise. Raises `UnsupportedError` with every layer that has no
    torch view.
    """
    return program(graph, style, weights).source


def program(graph: Graph, style: str = DEFAULT, weights: str | None = None) -> Program:
    """The net's text in one style, with its steps and state."""
    if style not in STYLES:
        raise CaffeError(f'no style "{style}"; want {" or ".join(STYLES)}')
    check_runnable(graph)
    if style != "exact":
        for change in FLAT:
            graph = change(graph)
    if style == "readable":
        with suppress(Unfit):
            return write(graph, weights)
    writer = FlatWriter(graph, style)
    problems = []
    for node in graph.nodes:
        try:
            writer.add(node)
        except Misfit as misfit:
            problems.append(f'  "{shown(node.name)}" ({node.type}): {misfit}')
            writer.skip(node)
    if problems:
        raise UnsupportedError("cannot be said in torch:", lines=problems)
    return writer.finish(weights)


def check_runnable(graph: Graph) -> None:
    """`UnsupportedError` with every layer whose type is not known, every field that nobody reads, or every layer that
    does not tell the shape of what others read; `NetError` with every input of unknown shape."""
    opaque = [n for n in graph.nodes if isinstance(n.layer, Opaque)]
    if opaque:
        lines = [f'  {n.place}: "{shown(n.name)}" ({n.type}{_alike(n.type, n.layer.summary())})' for n in opaque]
        wish = "Correct the type, or register a class for it with --plugin FILE (see docs/custom-layers.md)."
        raise UnsupportedError(
            f"{len(opaque)} layer{' has a type' if len(opaque) == 1 else 's have types'} that caffe2py does not know:",
            lines=[*lines, wish],
        )
    check_all_read(graph.nodes)
    check_shapes(graph, [v for n in graph.nodes for v in n.bottoms])
    shapeless = [blob for blob, shape in graph.inputs.items() if shape is None]
    if shapeless:
        said = " ".join(f"--input {blob}=N,C,H,W" for blob in shapeless)
        raise NetError(f"the file tells no shape for input {', '.join(shapeless)}; give it with {said}")


def check_shapes(graph: Graph, wanted: Iterable[Value]) -> None:
    """`UnsupportedError` with every layer that makes one of these values of known ones, and does not tell its shape."""
    unknown = {v for v, shape in graph.shapes.items() if shape is None}
    strange = unknown.intersection(wanted)
    lines = [
        f'  "{shown(n.name)}" ({n.type})'
        + (": serves training alone; want a net that is deployed" if n.layer.trains else "")
        for n in graph.nodes
        if strange.intersection(n.tops) and not unknown.intersection(n.bottoms) and not n.layer.is_input
    ]
    if lines:
        raise UnsupportedError("layers that do not tell the shape of what they make:", lines=lines)


def _alike(type_: str, python: str) -> str:
    if python:
        return f" {python}"
    known = {name.lower(): name for name in layer_types()}
    near = difflib.get_close_matches(type_.lower(), known, n=1, cutoff=0.8)
    return f'; did you mean "{known[near[0]]}"?' if near else ""
