"""Graph to Python text: a standalone torch module that says what the net does.

The text is the translation. The module that runs is this text, compiled, so that an emitted file and the
module in memory cannot differ. Two styles:

- exact: one step for each Caffe layer, in Caffe's order, with Caffe's own blobs as parameters and buffers.
- flat: what a person would write: BatchNorm with Scale is one nn.BatchNorm, layers that do nothing are gone.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from caffe2py.backends.names import RESERVED, Namer
from caffe2py.backends.torch.text import (
    FILE,
    MODULE_NAMES,
    class_name,
    foreign_function,
    functions,
    load_text,
    with_numbers,
)
from caffe2py.errors import LINE, LONGEST, CaffeError, NetError, UnsupportedError, shown
from caffe2py.graph import Graph, Node, Value, Weight
from caffe2py.graph.unread import check_all_read
from caffe2py.layers.base import Convert, Misfit, Shape, Term, layer_types
from caffe2py.layers.base.opaque import Opaque
from caffe2py.passes import FLAT
from caffe2py.version import __version__

STYLES = ("exact", "flat")
LETTERS = "xyzuvwpqrst"


@dataclass(frozen=True)
class Binding:
    """What one entry of the state dict holds: blob `index` of a layer, or what `convert` makes of all its blobs."""

    node: Node
    index: int | None = None
    convert: Convert | None = None

    def value(self) -> np.ndarray:
        """The entry's array: a view of the weights file where no conversion is needed."""
        blobs = self.node.blobs()
        return blobs[self.index] if self.index is not None else self.convert(blobs)  # type: ignore[misc]


@dataclass(frozen=True)
class Step:
    """One layer in the text: the lines that run it, and the variables it reads and makes."""

    node: Node
    lines: tuple[str, ...]
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]


@dataclass(frozen=True)
class Program:
    """A net as Python text, with what is needed to fill it with weights and to run it layer by layer."""

    graph: Graph  # after the style's passes
    style: str
    class_name: str
    source: str
    inputs: Mapping[str, str]  # blob -> variable
    outputs: tuple[str, ...]  # variables, in the order of graph.outputs
    steps: tuple[Step, ...]
    bindings: Mapping[str, Binding]  # state dict key -> where its array comes from
    tied: bool  # some parameters are one and the same object

    def state(self) -> dict[str, np.ndarray]:
        """The state dict as numpy arrays."""
        return {key: binding.value() for key, binding in self.bindings.items()}


def to_source(graph: Graph, style: str = "flat", weights: str | None = None) -> str:
    """The net as a Python file that imports torch and nothing else.

    `style` is "flat" or "exact" (see above). `weights` is the name of the `.pth` or `.safetensors` beside the file
    that its `load()` reads unless told otherwise. Raises `UnsupportedError` with every layer that has no torch view.
    """
    return program(graph, style, weights).source


def program(graph: Graph, style: str = "flat", weights: str | None = None) -> Program:
    """The net's text in one style, with its steps and state."""
    if style not in STYLES:
        raise CaffeError(f'no style "{style}"; want {" or ".join(STYLES)}')
    check_runnable(graph)
    if style == "flat":
        for change in FLAT:
            graph = change(graph)
    writer = _Writer(graph, reuse=style == "flat")
    problems = []
    for node in graph.nodes:
        try:
            writer.add(node)
        except Misfit as misfit:
            problems.append(f'  "{shown(node.name)}" ({node.type}): {misfit}')
            writer.skip(node)
    if problems:
        raise UnsupportedError("cannot be said in torch:", lines=problems)
    return writer.finish(style, weights)


def check_runnable(graph: Graph) -> None:
    """`UnsupportedError` with every layer whose type is not known, or every field that nobody reads; `NetError` with
    every input of unknown shape."""
    opaque = [n for n in graph.nodes if isinstance(n.layer, Opaque)]
    if opaque:
        lines = [f'  {n.place}: "{shown(n.name)}" ({n.type}{_alike(n.type, n.layer.summary())})' for n in opaque]
        wish = "Correct the type, or register a class for it with --plugin FILE (see docs/custom-layers.md)."
        raise UnsupportedError(
            f"{len(opaque)} layer{' has a type' if len(opaque) == 1 else 's have types'} that caffe2py does not know:",
            lines=[*lines, wish],
        )
    check_all_read(graph.nodes)
    shapeless = [blob for blob, shape in graph.inputs.items() if shape is None]
    if shapeless:
        said = " ".join(f"--input {blob}=N,C,H,W" for blob in shapeless)
        raise NetError(f"the file tells no shape for input {', '.join(shapeless)}; give it with {said}")


def _alike(type_: str, python: str) -> str:
    if python:
        return f" {python}"
    known = {name.lower(): name for name in layer_types()}
    near = difflib.get_close_matches(type_.lower(), known, n=1, cutoff=0.8)
    return f'; did you mean "{known[near[0]]}"?' if near else ""


class Emitter:
    """What a layer's `torch` method is handed: it declares modules and parameters, and names helper functions."""

    def __init__(self, writer: _Writer, node: Node) -> None:
        self._writer = writer
        self._node = node
        self._member: str | None = None

    @property
    def tops(self) -> list[Shape]:
        """The shapes of the layer's tops, for the net's own input size."""
        return [s or () for s in self._writer.graph.shapes_of(self._node.tops)]

    def module(self, expression: str, **state: int | Convert) -> str:
        """Declare `self.NAME = expression` and return `self.NAME`.

        `state` says for each of the module's parameters and buffers which blob of the layer it holds: a
        blob's index, or a function of the list of all blobs.
        """
        name = self._writer.member(self._node.name)
        self._writer.declare(f"self.{name} = {expression}")
        shared = {}
        for key, source in state.items():
            if isinstance(source, int) and (view := self._writer.view(self._node.weights[source])):
                shared[key] = view
                self._writer.declare(f"self.{name}.{key} = None")
            else:
                self._writer.bind(self._node, f"{name}.{key}", source)
        if not shared:
            return f"self.{name}"
        return self.call("WithParameters", f"self.{name}", *(f"{key}={view}" for key, view in shared.items()))

    def parameter(self, index: int) -> str:
        """Declare the layer's blob `index` as a parameter (a buffer, for running statistics); return `self.NAME`."""
        weight = self._node.weights[index]
        if view := self._writer.view(weight):
            return view
        if self._member is None:
            self._member = self._writer.member(self._node.name)
        name = self._writer.member(f"{self._member}_{weight.name}")
        blank = f"torch.empty({', '.join(map(str, weight.shape)) or '()'})"
        if weight.learned:
            self._writer.declare(f"self.{name} = nn.Parameter({blank})")
        else:
            self._writer.declare(f'self.register_buffer("{name}", {blank})')
        self._writer.bind(self._node, name, index)
        return f"self.{name}"

    def buffer(self, name: str, shape: Shape, source: Convert) -> str:
        """Declare a buffer of that shape and return `self.NAME`; `source` makes its array of the layer's blobs."""
        member = self._writer.member(f"{self._node.name}_{name}")
        self._writer.declare(f'self.register_buffer("{member}", torch.empty({", ".join(map(str, shape)) or "()"}))')
        self._writer.bind(self._node, member, source)
        return f"self.{member}"

    def call(self, function: str | Callable[..., Any], *args: Any, **settings: Any) -> str:
        """`function(args, settings)`, with the function's text copied into the output.

        A name is one of the folder `torch_functions`; an outside layer hands in a function of its own, whose text
        may use torch, F, nn, Tensor and other functions of its file. Arguments that are strings are text; settings
        are written as Python literals.
        """
        name = self._writer.use(function)
        words = [str(a) for a in args] + [f"{k}={v!r}" for k, v in settings.items()]
        return f"{name}({', '.join(words)})"


class _Writer:
    """The text as far as it is written."""

    def __init__(self, graph: Graph, *, reuse: bool) -> None:
        self.graph = graph
        self.class_name = class_name(graph.name)
        self._reuse = reuse
        known = functions()
        self._members = Namer({*RESERVED, *MODULE_NAMES, *known})
        self._variables = Namer({*RESERVED, *known, self.class_name})
        self._names: dict[Value, Term] = {}
        self._declared: list[str] = []
        self._ties: list[str] = []
        self._bindings: dict[str, Binding] = {}
        self._owners: dict[tuple[str, int], tuple[str, Shape]] = {}
        self._helpers: dict[str, str] = {}
        self._foreign: dict[Callable[..., Any], str] = {}  # functions of outside layers, by their name in the text
        self._steps: list[Step] = []
        self._inputs: dict[str, str] = {}
        self._drawn: list[str] = []  # the variables of the flat style, in the order in which they were needed
        self._free: list[str] = []
        self._last = {v: node for node in graph.nodes for v in node.bottoms}  # who reads each value last

    def member(self, name: str) -> str:
        return self._members(name)

    def declare(self, line: str) -> None:
        self._declared.append(line)

    def bind(self, node: Node, key: str, source: int | Convert) -> None:
        """Remember what state dict entry `key` holds; tie it to the layer that owns the blob where it is shared."""
        if callable(source):
            self._bindings[key] = Binding(node, convert=source)
            return
        weight = node.weights[source]
        first, _ = self._owners.setdefault(weight.owner, (key, weight.shape))
        if first != key:
            self._ties.append(f"self.{key} = self.{first}")
        self._bindings[key] = Binding(node, index=source)

    def view(self, weight: Weight) -> str | None:
        """The owner's parameter in this weight's shape, where the two are shared and differ in shape."""
        first, shape = self._owners.get(weight.owner, ("", weight.shape))
        return None if shape == weight.shape else f"self.{first}.view({', '.join(map(str, weight.shape))})"

    def use(self, function: str | Callable[..., Any]) -> str:
        """Have a function's text, and that of those it calls, in the output; returns its name there."""
        if callable(function):
            return self._use_foreign(function)
        known = functions()
        for word in (*known[function].needs, function):
            self._helpers[word] = known[word].text
        return function

    def _use_foreign(self, function: Callable[..., Any]) -> str:
        """As `use`, for a function of an outside layer: it takes another name where its own is taken."""
        if function not in self._foreign:
            self._foreign[function] = name = self._variables(function.__name__)
            text, needs = foreign_function(function)
            renamed = {function.__name__: name, **{f.__name__: self._use_foreign(f) for f in needs}}
            for old, new in renamed.items():
                text = re.sub(rf"\b{old}\b", new, text)
            self._helpers[name] = text
        return self._foreign[function]

    def add(self, node: Node) -> None:
        if node.layer.is_input:
            for v in node.tops:
                name = Term(self._variables(v.blob), self.graph.shapes[v])
                self._names[v] = name
                self._inputs[v.blob] = name
            self._steps.append(Step(node, (), (), tuple(self._names[v] for v in node.tops)))
            return
        bottoms = [self._names[v] for v in node.bottoms]
        texts = [Term(f"{b}.detach()", b.shape) if stop else b for b, stop in zip(bottoms, _stops(node), strict=True)]
        said = node.layer.torch(Emitter(self, node), *texts)
        expressions = [said] if isinstance(said, str) else list(said)
        tops = [self._top(node, i) for i in range(len(node.tops))]
        lines = []
        if len(expressions) == len(tops):
            # A top that takes over the name of a bottom is written last, when every expression has read it.
            lines = [f"{t} = {e}" for t, e in zip(tops, expressions, strict=True) if t != e]
            if len(lines) > 1 and set(tops) & set(bottoms):
                lines = [f"{', '.join(tops)} = {', '.join(expressions)}"]
        elif len(expressions) == 1:
            lines = [f"{', '.join(tops)} = {expressions[0]}"]
        else:
            raise Misfit(f"says {len(expressions)} expressions for {len(tops)} tops")
        self._names.update(zip(node.tops, tops, strict=True))
        self._steps.append(Step(node, tuple(lines), tuple(bottoms), tuple(tops)))
        done = {self._names[v] for v in node.bottoms if self._dies(v, node)}
        self._free = sorted({*self._free, *(done - set(tops))}, key=self._drawn.index)

    def skip(self, node: Node) -> None:
        """Go on after a layer that cannot be said: what comes behind it may have faults of its own."""
        self._names.update({v: Term("_", self.graph.shapes[v]) for v in node.tops})

    def _top(self, node: Node, index: int) -> Term:
        """The variable of a top.

        exact: the blob's name. flat: that of its bottom where nobody needs the bottom any more, else a letter
        that is free, so that a value is let go as soon as it has been read for the last time.
        """
        value = node.tops[index]
        shape = self.graph.shapes[value]
        bottom = node.bottoms[index] if index < len(node.bottoms) else None
        if bottom and node.bottoms.count(bottom) == 1:
            if self._reuse and self._dies(bottom, node):
                return Term(self._names[bottom], shape)
            if bottom.blob == value.blob and self._last[bottom] is node:
                return Term(self._names[bottom], shape)
        if not self._reuse:
            return Term(self._variables(value.blob), shape)
        if not self._free:
            self._free.append(self._variables(LETTERS[len(self._drawn) % len(LETTERS)]))
            self._drawn += self._free
        return Term(self._free.pop(0), shape)

    def _dies(self, value: Value, node: Node) -> bool:
        """Is a drawn variable's value read for the last time by this layer?"""
        return self._last[value] is node and value not in self.graph.results and self._names[value] in self._drawn

    def finish(self, style: str, weights: str | None) -> Program:
        outputs = tuple(self._names[v] for v in self.graph.results)
        body = [line for step in self._steps for line in self._commented(step, style)]
        body.append(f"return {', '.join(outputs) or 'None'}")
        load = load_text(self.class_name, weights or "weights.pth", bool(self._ties))
        source = FILE.format(
            title=f"{_in_docstring(self.graph.name) or 'A net'}: from Caffe by caffe2py {__version__}, {style} style.",
            inputs=_shape_lines(self.graph.inputs),
            outputs=_shape_lines(dict(zip(self.graph.outputs, self.graph.shapes_of(self.graph.results), strict=True))),
            notes="".join(f"\nNote: {_in_docstring(note, LINE)}\n" for note in self.graph.number_notes),
            helpers="".join(f"\n\n{text.rstrip()}\n" for text in self._helpers.values()),
            cls=self.class_name,
            init="\n".join(f"        {line}" for line in [*self._declared, *self._ties]) or "        pass",
            arguments="".join(f", {v}: Tensor" for v in self._inputs.values()),
            result="Tensor" if len(outputs) == 1 else "tuple[Tensor, ...]" if outputs else "None",
            forward="\n".join(f"        {line}" for line in body),
            load=load,
            imports="import json\n" if "json." in load else "",
        )
        return Program(
            self.graph,
            style,
            self.class_name,
            with_numbers(source),
            self._inputs,
            outputs,
            tuple(self._steps),
            self._bindings,
            bool(self._ties),
        )

    @staticmethod
    def _commented(step: Step, style: str) -> list[str]:
        if style == "flat" or not step.lines:
            return list(step.lines)
        return [f"# {shown(step.node.name)} ({shown(step.node.type)})", *step.lines]


def _stops(node: Node) -> Sequence[bool]:
    return node.stopped or (False,) * len(node.bottoms)


def _in_docstring(text: str, most: int = LONGEST) -> str:
    """A text that ends no docstring, and in which no backslash means anything."""
    return shown(text, most).replace("\\", "\\\\").replace('"', "'")


def _shape_lines(shapes: Mapping[str, Shape | None]) -> str:
    lines = [
        f"{_in_docstring(blob)} {shape if shape is not None else 'of any shape'}" for blob, shape in shapes.items()
    ]
    return ", ".join(lines) or "none"
