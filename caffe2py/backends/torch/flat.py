"""The flat and the exact style: one class, one line of `forward` for each layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from caffe2py.backends.names import LETTERS, Namer
from caffe2py.backends.torch.writing.classes import module_class
from caffe2py.backends.torch.writing.emitter import Emitter, declaration, expressions, terms
from caffe2py.backends.torch.writing.frame import framed
from caffe2py.backends.torch.writing.helpers import Helpers
from caffe2py.backends.torch.writing.layout import laid_out
from caffe2py.backends.torch.writing.program import Binding, Program, Step
from caffe2py.backends.torch.writing.text import MODULE_NAMES, class_name, sizes, taken
from caffe2py.errors import shown
from caffe2py.graph import Graph, Node, Value, Weight
from caffe2py.layers.base import Convert, Shape


class FlatWriter:
    """The text as far as it is written."""

    def __init__(self, graph: Graph, style: str) -> None:
        self.graph = graph
        self.class_name = class_name(graph.name)
        self._style = style
        self._members = Namer({*taken(), *MODULE_NAMES})
        self._variables = Namer({*taken(), self.class_name})
        self._names: dict[Value, str] = {}
        self._declared: list[str] = []
        self._ties: list[str] = []
        self._bindings: dict[str, Binding] = {}
        self._owners: dict[tuple[str, int], tuple[str, Shape]] = {}
        self._helpers = Helpers(self._variables)
        self._steps: list[Step] = []
        self._inputs: dict[str, str] = {}
        self._drawn: list[str] = []  # the variables of the flat style, in the order in which they were needed
        self._free: list[str] = []
        self._last = {v: node for node in graph.nodes for v in node.bottoms}  # who reads each value last

    def member(self, name: str) -> str:
        return self._members(name)

    def declare(self, name: str, expression: str, buffer: bool = False) -> None:
        self._declared.append(declaration(name, expression, buffer))

    def bind(self, node: Node, key: str, source: int | Convert) -> None:
        """Remember what state dict entry `key` holds; tie it to the layer that owns the blob where it is shared."""
        self._bindings[key] = Binding(node, source)
        if callable(source):
            return
        weight = node.weights[source]
        first, _ = self._owners.setdefault(weight.owner, (key, weight.shape))
        if first != key:
            self._ties.append(f"self.{key} = self.{first}")

    def view(self, weight: Weight) -> str | None:
        """The owner's parameter in this weight's shape, where the two are shared and differ in shape."""
        first, shape = self._owners.get(weight.owner, ("", weight.shape))
        return None if shape == weight.shape else f"self.{first}.view({sizes(weight.shape)})"

    def use(self, function: str | Callable[..., Any]) -> str:
        return self._helpers.use(function)

    def add(self, node: Node) -> None:
        if node.layer.is_input:
            for v in node.tops:
                self._names[v] = self._inputs[v.blob] = self._variables(v.blob)
            self._steps.append(Step(node, (), (), tuple(self._names[v] for v in node.tops)))
            return
        bottoms = [self._names[v] for v in node.bottoms]
        said = expressions(node.layer.torch(Emitter(self, node), *terms(self.graph, node, bottoms)), len(node.tops))
        tops = [self._top(node, i) for i in range(len(node.tops))]
        lines = [f"{t} = {e}" for t, e in zip(tops, said, strict=True) if t != e] if len(said) == len(tops) else []
        if len(said) != len(tops) or (len(lines) > 1 and set(tops) & set(bottoms)):
            # A top that takes over the name of a bottom gets its value when every expression has read it.
            lines = [f"{', '.join(tops)} = {', '.join(said)}"]
        self._names.update(zip(node.tops, tops, strict=True))
        self._steps.append(Step(node, tuple(lines), tuple(bottoms), tuple(tops)))
        done = {self._names[v] for v in node.bottoms if self._dies(v, node)}
        self._free = sorted({*self._free, *(done - set(tops))}, key=self._drawn.index)

    def skip(self, node: Node) -> None:
        """Go on after a layer that cannot be said: what comes behind it may have faults of its own."""
        self._names.update(dict.fromkeys(node.tops, "_"))

    def _top(self, node: Node, index: int) -> str:
        """The variable of a top.

        exact: the blob's name. flat: that of its bottom where nobody needs the bottom any more, else a letter
        that is free, so that a value is let go as soon as it has been read for the last time.
        """
        value = node.tops[index]
        bottom = node.bottoms[index] if index < len(node.bottoms) else None
        if bottom and node.bottoms.count(bottom) == 1:
            in_place = bottom.blob == value.blob and self._last[bottom] is node
            if in_place or self._dies(bottom, node):
                return self._names[bottom]
        if self._style == "exact":
            return self._variables(value.blob)
        if not self._free:
            self._free.append(self._variables(LETTERS[len(self._drawn) % len(LETTERS)]))
            self._drawn += self._free
        return self._free.pop(0)

    def _dies(self, value: Value, node: Node) -> bool:
        """Is a drawn variable's value read for the last time by this layer?"""
        return self._last[value] is node and value not in self.graph.results and self._names[value] in self._drawn

    def finish(self, weights: str | None) -> Program:
        outputs = tuple(self._names[v] for v in self.graph.results)
        declared = [line for each in [*self._declared, *self._ties] for line in laid_out(each, 8)]
        body = [line for step in self._steps for line in self._commented(step)]
        body.append(f"return {', '.join(outputs) or 'None'}")
        inputs = list(self._inputs.values())
        lines = list(module_class(self.class_name, declared, inputs, body, outputs=len(outputs)))
        tied = bool(self._ties)
        return Program(
            self.graph,
            self._style,
            self.class_name,
            framed(self.graph, self._style, self.class_name, self._helpers, lines, weights, tied),
            self._inputs,
            outputs,
            tuple(self._steps),
            self._bindings,
            tied,
        )

    def _commented(self, step: Step) -> list[str]:
        if self._style != "exact" or not step.lines:
            return list(step.lines)
        return [f"# {shown(step.node.name)} ({shown(step.node.type)})", *step.lines]
