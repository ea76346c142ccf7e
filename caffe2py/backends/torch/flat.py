"""The flat and the exact style: one class, one line of `forward` for each layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from caffe2py.backends.names import RESERVED, Namer
from caffe2py.backends.torch.writing.emitter import Emitter, Helpers
from caffe2py.backends.torch.writing.frame import framed
from caffe2py.backends.torch.writing.layout import laid_out, method
from caffe2py.backends.torch.writing.program import Binding, Program, Step
from caffe2py.backends.torch.writing.text import MODULE_NAMES, class_name, functions
from caffe2py.errors import shown
from caffe2py.graph import Graph, Node, Value, Weight
from caffe2py.layers.base import Convert, Misfit, Shape, Term

LETTERS = "xyzuvwpqrst"


class FlatWriter:
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
        self._helpers = Helpers(self._variables)
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
        return self._helpers.use(function)

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
        made = len(outputs)
        result = "Tensor" if made == 1 else "tuple[Tensor, ...]" if made else "None"
        declared = [*self._declared, *self._ties] or ["pass"]
        arguments = ", ".join(["self", *(f"{v}: Tensor" for v in self._inputs.values())])
        lines = [
            f"class {self.class_name}(nn.Module):",
            "    def __init__(self) -> None:",
            "        super().__init__()",
            *(line for each in declared for line in laid_out(each, 8)),
            "",
            *method(f"forward({arguments}) -> {result}"),
            *(line for each in body for line in laid_out(each, 8)),
        ]
        source = framed(self.graph, style, self.class_name, self._helpers, lines, weights, bool(self._ties))
        return Program(
            self.graph,
            style,
            self.class_name,
            source,
            self._inputs,
            outputs,
            tuple(self._steps),
            self._bindings,
            bool(self._ties),
        )

    @staticmethod
    def _commented(step: Step, style: str) -> list[str]:
        if style != "exact" or not step.lines:
            return list(step.lines)
        return [f"# {shown(step.node.name)} ({shown(step.node.type)})", *step.lines]


def _stops(node: Node) -> Sequence[bool]:
    return node.stopped or (False,) * len(node.bottoms)
