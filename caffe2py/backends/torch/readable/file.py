"""The readable file: what the net wants, a class for each block, the net, how it is loaded, and a run of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from caffe2py.backends.names import Namer
from caffe2py.backends.torch.readable.classes import Planner
from caffe2py.backends.torch.readable.forward import Forward
from caffe2py.backends.torch.readable.members import Grouping, Member
from caffe2py.backends.torch.readable.ops import Unfit, recorded, shares_in_other_shapes
from caffe2py.backends.torch.readable.plan import Plan, kept, signature
from caffe2py.backends.torch.readable.remarks import remarked
from caffe2py.backends.torch.readable.state import State
from caffe2py.backends.torch.writing.classes import module_class
from caffe2py.backends.torch.writing.frame import framed
from caffe2py.backends.torch.writing.helpers import Helpers
from caffe2py.backends.torch.writing.layout import laid_out
from caffe2py.backends.torch.writing.program import Program
from caffe2py.backends.torch.writing.text import MODULE_NAMES, class_name, taken
from caffe2py.graph import Graph, Value
from caffe2py.passes.only_outputs import only_outputs
from caffe2py.structure.find import find
from caffe2py.structure.parts import Parts

STYLE = "readable"


def write(graph: Graph, weights: str | None) -> Program:
    """The net in the readable style. Raises `Unfit` where only the flat one can say it."""
    parts = Parts.of(graph)
    loose = any(not p.reads and not p.node.layer.is_input for p in parts.parts)
    if loose or shares_in_other_shapes(graph.nodes) or leads_nowhere(graph):
        raise Unfit
    name = class_name(graph.name)
    reserved = {*taken(), "Module"}
    variables = Namer({*reserved, name})
    helpers = Helpers(variables)
    ops = recorded(parts, helpers)
    structure = find(parts, lambda i, loose: (parts.mark(i, loose), ops[i].key if i in ops else None))
    planner = Planner(structure, ops, Namer({*reserved, name}), (*reserved, *MODULE_NAMES))
    plans = [planner.plan(k) for k in range(len(structure.blocks))]
    net = planner.net(name)
    grouping = Grouping(graph, parts, planner.reserved)
    blocks = [list(_block(plan, grouping)) for plan in sorted(plans, key=_depth)]
    members = grouping.members(net, net=True)
    state = State(ops, net)
    inputs = {v.blob: variables(v.blob) for node in graph.nodes if node.layer.is_input for v in node.tops}
    ties = state.ties()
    body = list(_net(graph, name, members, ties, inputs, variables))
    source = framed(graph, STYLE, name, helpers, remarked([*_spaced(blocks), *body]), weights, bool(ties))
    steps, outputs = state.steps(graph, inputs, name)
    return Program(graph, STYLE, name, source, inputs, outputs, tuple(steps), state.bindings, bool(ties))


def leads_nowhere(graph: Graph) -> bool:
    """Has it layers that no output needs, as in front of a Silence? They run, and readable text leaves them out."""
    layers = [node for node in graph.nodes if not node.layer.is_input]
    return len(layers) != sum(not node.layer.is_input for node in only_outputs(graph, graph.results).nodes)


def _depth(plan: Plan) -> int:
    """How deep the blocks in a block are nested: those come first."""
    return max([1 + _depth(piece.use) for piece in plan.pieces if piece.use is not None], default=0)


def _spaced(blocks: Sequence[Sequence[str]]) -> Iterator[str]:
    for lines in blocks:
        yield from lines
        yield from ("", "")


def _block(plan: Plan, grouping: Grouping) -> Iterator[str]:
    """A block's class."""
    members = grouping.members(plan, net=False)
    made = {v for member in members for v in member.makes}
    inputs = list(dict.fromkeys(v for member in members for v in member.reads if v not in made))
    letters = Namer(grouping.reserved)
    names = {v: letters("x" if len(inputs) == 1 else f"x{k}") for k, v in enumerate(inputs, 1)}
    declared = [f"        self.{name} = {name}" for name in kept(plan)]
    declared += [line for member in members for line in member.declared]
    body = _forward(members, names, grouping.makes(plan, plan.pieces), True, letters)
    return module_class(plan.name, declared, list(names.values()), body, says=plan.says, takes=signature(plan))


def _forward(
    members: Sequence[Member], inputs: Mapping[Value, str], outputs: Sequence[Value], reuse: bool, letters: Namer
) -> list[str]:
    calls = [call for member in members if (call := member.call()) is not None]
    return Forward(inputs, outputs, reuse, letters).write(calls)


def _net(
    graph: Graph,
    name: str,
    members: Sequence[Member],
    ties: Sequence[tuple[str, str]],
    inputs: Mapping[str, str],
    variables: Namer,
) -> Iterator[str]:
    """The net's own class."""
    declared = [line for member in members for line in member.declared]
    declared += [line for key, first in ties for line in laid_out(f"{key} = {first}", 8)]
    values = {v: inputs[v.blob] for node in graph.nodes if node.layer.is_input for v in node.tops}
    body = _forward(members, values, graph.results, False, variables)
    return module_class(name, declared, list(inputs.values()), body, outputs=len(graph.results))
