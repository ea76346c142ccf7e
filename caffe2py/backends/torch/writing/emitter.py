"""What a layer's `torch` method is handed: what it declares and names goes to whoever writes the text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

from caffe2py.backends.names import Namer
from caffe2py.backends.torch.writing.text import foreign_function, functions
from caffe2py.graph import Graph, Node, Weight
from caffe2py.layers.base import Convert, Shape


class Writer(Protocol):
    """Whoever writes the text that layers say."""

    @property
    def graph(self) -> Graph:
        """The net that is written."""

    def member(self, name: str) -> str:
        """A name in the module for something of a layer's."""

    def declare(self, line: str) -> None:
        """A line of `__init__`."""

    def bind(self, node: Node, key: str, source: int | Convert) -> None:
        """State dict entry `key` holds blob `source` of a layer, or what it makes of all its blobs."""

    def view(self, weight: Weight) -> str | None:
        """The parameter that holds a weight in another shape, where layers share it so."""

    def use(self, function: str | Callable[..., Any]) -> str:
        """The name under which a function is in the text."""


class Emitter:
    """What a layer's `torch` method is handed: it declares modules and parameters, and names helper functions."""

    def __init__(self, writer: Writer, node: Node) -> None:
        self._writer = writer
        self._node = node
        self._member: str | None = None

    @property
    def training(self) -> str:
        """The text of "is it in phase TRAIN?": the module's own mode, unless the layer has a phase of its own."""
        own = self._node.own_phase
        return str(own == "TRAIN") if own else "self.training"

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
        words = [str(a) for a in args] + [f"{k}={_literal(v)}" for k, v in settings.items()]
        return f"{name}({', '.join(words)})"


def _literal(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else repr(value)


def quoted(text: str) -> str:
    """A string in Python's words, in double quotes; what cannot be printed, or is no character, is escaped."""
    escaped = repr(f"'{text}")[2:-1] if '"' not in text else text.encode("unicode_escape").decode().replace('"', '\\"')
    return f'"{escaped}"'


class Helpers:
    """The functions that are copied into a file, with those that they call."""

    def __init__(self, namer: Namer) -> None:
        self._namer = namer
        self._texts: dict[str, str] = {}
        self._foreign: dict[Callable[..., Any], str] = {}  # functions of outside layers, by their name in the text

    def use(self, function: str | Callable[..., Any]) -> str:
        """Have a function's text in the file; returns its name there."""
        if callable(function):
            return self._use_foreign(function)
        known = functions()
        for word in (*known[function].needs, function):
            self._texts[word] = known[word].text
        return function

    def _use_foreign(self, function: Callable[..., Any]) -> str:
        """As `use`, for a function of an outside layer: it takes another name where its own is taken."""
        if function not in self._foreign:
            self._foreign[function] = name = self._namer(function.__name__)
            text, needs = foreign_function(function)
            renamed = {function.__name__: name, **{f.__name__: self._use_foreign(f) for f in needs}}
            for old, new in renamed.items():
                text = re.sub(rf"\b{old}\b", new, text)
            self._texts[name] = text
        return self._foreign[function]

    def text(self) -> str:
        """Their text, each after two blank lines."""
        return "".join(f"\n\n{text.rstrip()}\n" for text in self._texts.values())
