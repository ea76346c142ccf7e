"""Layers as text with holes: what each says of itself, recorded before anything has a name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from caffe2py.backends.torch.readable.texts import CLOSE, OPEN, Text, hole, key, parsed
from caffe2py.backends.torch.writing.emitter import Emitter, expressions, terms
from caffe2py.backends.torch.writing.helpers import Helpers
from caffe2py.graph import Graph, Node, Weight
from caffe2py.layers.base import Convert, Misfit
from caffe2py.structure.parts import Part, Parts


class Unfit(Exception):
    """The readable style cannot say the net; the flat one can."""


@dataclass
class Owned:
    """A module, parameter or buffer that a layer owns. `suffix` is what its name has behind the layer's own."""

    suffix: str
    declared: Text = ()  # what is assigned to it
    buffer: bool = False
    state: dict[str, int | Convert] = field(default_factory=dict)  # state dict keys behind its own, "" for itself


@dataclass
class Op:
    """A part of the graph as text: an expression for each of its tops, or one for all of them."""

    part: Part
    expressions: list[Text]
    members: list[Owned]

    @cached_property
    def key(self) -> tuple[Any, ...]:
        """What two parts have in common whose texts are equal but for whole numbers."""
        members = tuple((m.suffix, key(m.declared), m.buffer, tuple(m.state)) for m in self.members)
        return tuple(map(key, self.expressions)), members

    @property
    def texts(self) -> list[Text]:
        """All its texts, in the order in which their numbers count."""
        return [*(m.declared for m in self.members), *self.expressions]


def recorded(parts: Parts, helpers: Helpers) -> dict[int, Op]:
    """The text of each part but the inputs. Raises `Unfit` where one has none: the flat style tells of all such."""
    ops: dict[int, Op] = {}
    for i, part in enumerate(parts.parts):
        if part.node.layer.is_input:
            continue
        if part.step == 1:
            continue  # with its product
        try:
            said, members = _said(parts.graph, part.node, helpers)
        except Misfit:
            raise Unfit from None
        if part.step == 0:
            gated, _, shortcut = said[0].rpartition(" + ")
            if shortcut != hole("b", 2):
                raise Unfit
            ops[i] = Op(part, [parsed(gated)], members)
            ops[i + 1] = Op(parts.parts[i + 1], [parsed(f"{hole('b', 0)} + {hole('b', 1)}")], [])
        else:
            ops[i] = Op(part, [parsed(text) for text in said], members)
    return ops


def _said(graph: Graph, node: Node, helpers: Helpers) -> tuple[list[str], list[Owned]]:
    recorder = _Recorder(graph, node, helpers)
    bottoms = terms(graph, node, [hole("b", k) for k in range(len(node.bottoms))])
    said = expressions(node.layer.torch(Emitter(recorder, node), *bottoms), len(node.tops))
    declared = [k for k, member in enumerate(recorder.members) if member.declared]
    for new, old in enumerate(declared):  # of parameters the layer's own name is asked for too, and not used
        said = [text.replace(hole("m", old), hole("m", new)) for text in said]
    return said, [recorder.members[k] for k in declared]


class _Recorder:
    """What a layer's emitter writes to: its members, by number."""

    def __init__(self, graph: Graph, node: Node, helpers: Helpers) -> None:
        self.graph = graph
        self.members: list[Owned] = []
        self._name = node.name
        self._helpers = helpers

    def member(self, name: str) -> str:
        """A hole for the member. What the name has behind the layer's own, or behind another member's, is kept."""
        if name.startswith(OPEN):
            suffix = name.partition(CLOSE)[2]
        else:
            suffix = name.removeprefix(self._name)
        self.members.append(Owned(suffix))
        return hole("m", len(self.members) - 1)

    def declare(self, name: str, expression: str, buffer: bool = False) -> None:
        member, _ = self._found(name)
        member.declared, member.buffer = parsed(_without_defaults(expression)), buffer

    def bind(self, node: Node, key: str, source: int | Convert) -> None:
        member, rest = self._found(key)
        member.state[rest.removeprefix(".")] = source

    def _found(self, name: str) -> tuple[Owned, str]:
        """The member whose hole a name begins with, and the rest of the name."""
        found, _, rest = name.partition(CLOSE)
        return self.members[int(found.removeprefix(f"{OPEN}m"))], rest

    def view(self, weight: Weight) -> None:
        """None: no net whose layers share a weight in several shapes is recorded."""

    def use(self, function: str | Callable[..., Any]) -> str:
        return self._helpers.use(function)


def _without_defaults(declared: str) -> str:
    """A batch normalisation without the eps that torch has too."""
    return declared.replace(", eps=1e-05", "") if declared.startswith("nn.BatchNorm") else declared


def shares_in_other_shapes(nodes: Sequence[Node]) -> bool:
    """Is there a weight that layers share in several shapes?"""
    shapes: dict[tuple[str, int], tuple[int, ...]] = {}
    return any(shapes.setdefault(w.owner, w.shape) != w.shape for node in nodes for w in node.weights)
