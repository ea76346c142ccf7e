"""What a layer's `torch` method is handed: what it declares and names goes to whoever writes the text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from caffe2py.backends.torch.writing.text import quoted, sizes
from caffe2py.graph import Graph, Node, Weight
from caffe2py.layers.base import Convert, Misfit, Shape, Term


class Writer(Protocol):
    """Whoever writes the text that layers say."""

    @property
    def graph(self) -> Graph:
        """The net that is written."""

    def member(self, name: str) -> str:
        """A name in the module for something of a layer's."""

    def declare(self, name: str, expression: str, buffer: bool = False) -> None:
        """What is assigned to a name in `__init__`, or registered under it as a buffer."""

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
        self._writer.declare(name, expression)
        shared = {}
        for key, source in state.items():
            if isinstance(source, int) and (view := self._writer.view(self._node.weights[source])):
                shared[key] = view
                self._writer.declare(f"{name}.{key}", "None")
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
        blank = f"torch.empty({sizes(weight.shape)})"
        self._writer.declare(name, f"nn.Parameter({blank})" if weight.learned else blank, buffer=not weight.learned)
        self._writer.bind(self._node, name, index)
        return f"self.{name}"

    def buffer(self, name: str, shape: Shape, source: Convert) -> str:
        """Declare a buffer of that shape and return `self.NAME`; `source` makes its array of the layer's blobs."""
        member = self._writer.member(f"{self._node.name}_{name}")
        self._writer.declare(member, f"torch.empty({sizes(shape)})", buffer=True)
        self._writer.bind(self._node, member, source)
        return f"self.{member}"

    def call(self, function: str | Callable[..., Any], *args: Any, **settings: Any) -> str:
        """`function(args, settings)`, with the function's text copied into the output.

        A name is one of our own in `torch/functions`; an outside layer hands in a function of its own, whose text
        may use torch, F, nn, Tensor and other functions of its file. Arguments that are strings are text; settings
        are written as Python literals.
        """
        return called(self._writer.use(function), args, settings)


def called(name: str, args: Sequence[Any], settings: Mapping[str, Any]) -> str:
    """The text of a call: arguments as they are, settings as Python literals."""
    literals = {key: quoted(value) if isinstance(value, str) else repr(value) for key, value in settings.items()}
    return f"{name}({', '.join([*map(str, args), *(f'{key}={literal}' for key, literal in literals.items())])})"


def terms(graph: Graph, node: Node, words: Sequence[str]) -> list[Term]:
    """A layer's bottoms as it reads them, of these words; no gradient flows back into one that the net stops it at."""
    stops = node.stopped or (False,) * len(node.bottoms)
    return [
        Term(f"{word}.detach()" if stop else word, graph.shapes[v])
        for word, stop, v in zip(words, stops, node.bottoms, strict=True)
    ]


def expressions(said: str | Sequence[str], tops: int) -> list[str]:
    """What a layer's `torch` method has said: an expression for each of its tops, or one for all. Else `Misfit`."""
    found = [said] if isinstance(said, str) else list(said)
    if len(found) not in (1, tops):
        raise Misfit(f"says {len(found)} expressions for {tops} tops")
    return found


def declaration(name: str, expression: str, buffer: bool) -> str:
    """A line of `__init__`: what is assigned to a module or parameter, or registered as a buffer."""
    return f'self.register_buffer("{name}", {expression})' if buffer else f"self.{name} = {expression}"
