"""Each block as a class: its arguments, its members, its `forward`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from caffe2py.backends.names import Namer, identifier
from caffe2py.backends.torch.readable import words
from caffe2py.backends.torch.readable.numbers import Column, Place, Said, Variable, solve
from caffe2py.backends.torch.readable.ops import Op
from caffe2py.backends.torch.readable.texts import numbers
from caffe2py.graph import Node
from caffe2py.structure.find import Block, Structure
from caffe2py.structure.known import GATED, known
from caffe2py.structure.tree import Region, Row, Use

Leaves = tuple[int | None, ...]


@dataclass
class Piece:
    """A layer, or a block in its place, as a member of a class. `places` are those of its leaves in the class."""

    places: tuple[int, ...]
    op: Op | None = None
    use: Plan | None = None
    name: str = ""
    said: list[Said] = field(default_factory=list)  # its numbers: of its texts, or its arguments
    values: list[Column] = field(default_factory=list)  # the same, by instance
    slots: tuple[int | None, ...] = ()  # of a block: the places of its leaves, None for one that it lacks everywhere
    path: str = ""  # where it is in the class: its name, or its number in a list

    @property
    def declared_numbers(self) -> int:
        """How many of its numbers are those of its members."""
        return sum(len(numbers(m.declared)) for m in self.op.members) if self.op else len(self.said)


@dataclass
class Plan:
    """A class. The net is one too, with one instance."""

    block: Block
    name: str
    says: str
    pieces: list[Piece] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    optional: frozenset[int] = frozenset()
    needs: str = ""  # when there is a shortcut: a condition
    flag: list[bool] = field(default_factory=list)  # or an argument, by instance

    @property
    def names(self) -> list[str]:
        return [v.name for v in self.variables]

    def lacks(self, piece: Piece) -> bool:
        return any(k in self.optional for k in piece.places)


class Planner:
    """Makes the plans of all blocks, those inside others first."""

    def __init__(self, structure: Structure, ops: Mapping[int, Op], classes: Namer, members: Sequence[str]) -> None:
        self.structure = structure
        self.ops = ops
        self.reserved = members
        self._classes = classes
        self._plans: dict[int, Plan] = {}
        self._rows: dict[int, dict[Leaves, int]] = {}  # block -> its instances by their leaves

    def plan(self, number: int) -> Plan:
        """The plan of a block."""
        if number not in self._plans:
            block = self.structure.blocks[number]
            called = known(self.structure, block)
            plan = Plan(block, "", called.says, optional=block.optional)
            self._fill(plan)
            plan.name = self._classes(called.name)
            self._name_members(plan)
            self._solve(plan)
            self._plans[number] = plan
        return self._plans[number]

    def net(self, name: str) -> Plan:
        """The plan of the whole net: its numbers are what they are."""
        plan = Plan(self.structure.net, name, "")
        self._fill(plan)
        self._solve(plan)
        return plan

    def _fill(self, plan: Plan) -> None:
        place = {leaf: k for k, leaf in enumerate(plan.block.leaves)}
        for item in (item for row in plan.block.body for item in _flat(row)):
            if isinstance(item, Use):
                used = self.plan(item.of)
                at = tuple(place[leaf] for leaf in item.leaves if leaf is not None)
                slots = tuple(None if leaf is None else place[leaf] for leaf in item.leaves)
                rows = [self._instance(item.of, within(each, slots)) for each in plan.block.instances]
                values: list[Column] = [
                    [None if row is None else v.values[row] for row in rows] for v in used.variables
                ]
                if used.flag:
                    values.append([None if row is None else int(used.flag[row]) for row in rows])
                plan.pieces.append(Piece(at, use=used, values=values, slots=slots))
            elif item in self.ops:
                k = place[item]
                instances = [None if each[k] is None else self.ops[each[k]] for each in plan.block.instances]  # type: ignore[index]
                columns = [
                    [None if op is None else numbers(op.texts[t])[n].value for op in instances]
                    for t, text in enumerate(self.ops[item].texts)
                    for n in range(len(numbers(text)))
                ]
                plan.pieces.append(Piece((k,), op=self.ops[item], values=columns))

    def _instance(self, number: int, leaves_: Leaves) -> int | None:
        rows = self._rows.setdefault(
            number, {each: i for i, each in enumerate(self.structure.blocks[number].instances)}
        )
        return rows.get(leaves_)

    def node(self, leaf: int) -> Node:
        return self.structure.parts.parts[leaf].node

    def _name_members(self, plan: Plan) -> None:
        """Call each piece that has members what its layers' names tell of it."""
        instances = plan.block.instances
        whole = [each for each in instances if not any(leaf is None for leaf in each)] or instances
        titles = [words.title([self.node(leaf).name for leaf in each if leaf is not None]) for each in whole]
        namer = Namer(self.reserved)
        pieces = [p for p in plan.pieces if p.use or (p.op and p.op.members)]
        names, types = [], []
        for piece in pieces:
            heads = [self._head([each[k] for k in piece.places]) for each in whole]
            names.append([node.name for node in heads])
            types.append(heads[0].type)
        made = words.member_words(names, types, titles)
        for piece, word in zip(pieces, made, strict=True):
            piece.name = free_name(piece, "se" if piece.use and piece.use.name.startswith(GATED) else word, namer)

    def _head(self, leaves_: Sequence[int | None]) -> Node:
        """The layer after which several are called: the first with weights."""
        nodes = [self.node(leaf) for leaf in leaves_ if leaf is not None]
        return next((node for node in nodes if node.weights), nodes[0])

    def _solve(self, plan: Plan) -> None:
        """Find out which numbers are arguments, and name them."""
        places: list[Place] = []
        for piece in plan.pieces:
            for i, column in enumerate(piece.values):
                places.append(Place(self._role(piece, i), column, piece.name))
        plan.variables, said = solve(places)
        rest = iter(said)
        for piece in plan.pieces:
            piece.said = [next(rest) for _ in piece.values]
        self._name_variables(plan)
        if plan.optional:
            self._condition(plan)

    @staticmethod
    def _role(piece: Piece, i: int) -> str:
        if piece.use is None:
            assert piece.op is not None
            return [n.role for text in piece.op.texts for n in numbers(text)][i]
        if i == len(piece.use.variables):
            return "flag"
        return piece.use.variables[i].place.role

    def _name_variables(self, plan: Plan) -> None:
        """Widths are called after what they are the width of, other numbers after what they are."""
        namer = Namer({*self.reserved, "x"} - {"type"})
        widths = [v for v in plan.variables if v.place.kind == "width"]
        outs = [v for v in widths if v.place.role.startswith("out")]
        derived = any(s.sign for piece in plan.pieces for s in piece.said)
        for v in plan.variables:
            role = v.place.role
            if v in outs and len(outs) == 1:
                word = "width" if derived and any(s.sign == "*" for p in plan.pieces for s in p.said) else role
            elif v in outs:
                word = v.place.member.removeprefix("conv_") if not v.place.member[5:6].isdigit() else v.place.member
            elif role in ("in_channels", "in_features") and len(widths) == 1:
                word = "channels"
            else:
                word = role or "size"
            v.name = namer(word)

    def _condition(self, plan: Plan) -> None:
        """When a class has its shortcut: where the widths differ, or by an argument."""
        there = [not any(each[k] is None for k in plan.optional) for each in plan.block.instances]
        pieces = [p for p in plan.pieces if plan.lacks(p)]
        said = {self._role(p, i): s for p in pieces for i, s in enumerate(p.said)}
        into, out = said.get("in_channels"), said.get("out_channels")
        count = range(len(there))
        if into is not None and out is not None and into.variable is not None:
            before = [self._value(plan, into, i) for i in count]
            after = [self._value(plan, out, i) for i in count]
            differ = [a != b for a, b in zip(before, after, strict=True)]
            text = f"{into.text(plan.names)} != {out.text(plan.names)}"
            stride = said.get("stride")
            if differ == there:
                plan.needs = text
                return
            if stride is not None and stride.variable is not None:
                strides = [self._value(plan, stride, i) != 1 for i in count]
                if [a or b for a, b in zip(differ, strides, strict=True)] == there:
                    plan.needs = f"{stride.text(plan.names)} != 1 or {text}"
                    return
        plan.needs, plan.flag = "project", there

    @staticmethod
    def _value(plan: Plan, said: Said, i: int) -> int:
        if said.variable is None:
            return said.value
        value = plan.variables[said.variable].values[i]
        return value * said.factor if said.sign == "*" else value // said.factor if said.sign else value


def free_name(piece: Piece, word: str, namer: Namer) -> str:
    """A name that is free, with those of all its members."""
    suffixes = [m.suffix for m in piece.op.members] if piece.op else [""]
    name = identifier(word)
    number = 1
    while not all(namer.free(f"{name}{suffix}") for suffix in suffixes):
        number += 1
        name = f"{identifier(word)}_{number}"
    for suffix in suffixes:
        namer(f"{name}{suffix}")
    return name


def within(leaves_: Leaves, slots: Sequence[int | None]) -> Leaves:
    """The leaves of a block that stands in another with these leaves."""
    return tuple(None if k is None else leaves_[k] for k in slots)


def _flat(row: Row) -> Iterator[int | Use[int]]:
    """The layers and blocks of a row, branch by branch."""
    for item in row:
        if isinstance(item, Region):
            for branch in item.branches:
                for each in branch:
                    yield from _flat(each)
            yield item.join
        else:
            yield item


def arguments(plan: Plan, values: Sequence[str], flag: str = "") -> str:
    """The arguments of a call of a class, given words for its variables."""
    first = [w for v, w in zip(plan.variables, values, strict=True) if v.default is None]
    named = [
        f"{v.name}={w}"
        for v, w in zip(plan.variables, values, strict=True)
        if v.default is not None and w != str(v.default)
    ]
    if plan.flag and flag != "False":
        named.append(f"project={flag}")
    return ", ".join([*first, *named])


def signature(plan: Plan) -> str:
    """The arguments of `__init__`."""
    first = [f"{v.name}: int" for v in plan.variables if v.default is None]
    named = [f"{v.name}: int = {v.default}" for v in plan.variables if v.default is not None]
    flag = ["project: bool = False"] if plan.flag else []
    return ", ".join(["self", *first, *named, *flag])


def creation(plan: Plan, said: Sequence[str]) -> str:
    """A call of a class."""
    flag = "" if not plan.flag else {"1": "True", "0": "False"}.get(said[-1], said[-1])
    values = said[: len(plan.variables)]
    return f"{plan.name}({arguments(plan, values, flag)})"


def kept(plan: Plan) -> list[str]:
    """The arguments that `forward` reads too."""
    used = {
        plan.variables[said.variable].name
        for piece in plan.pieces
        if piece.op is not None
        for said in piece.said[piece.declared_numbers :]
        if said.variable is not None
    }
    return [name for name in plan.names if name in used]
