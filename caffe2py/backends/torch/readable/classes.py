"""Each block as a class: its arguments, its members, its `forward`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from caffe2py.backends.names import Namer
from caffe2py.backends.torch.readable import words
from caffe2py.backends.torch.readable.numbers import FLAG, Column, Place, Variable, solve, value
from caffe2py.backends.torch.readable.ops import Op, Unfit
from caffe2py.backends.torch.readable.plan import SHORTCUT, Leaves, Piece, Plan, free_name, head, within
from caffe2py.backends.torch.readable.texts import numbers
from caffe2py.backends.torch.readable.widths import say_sums
from caffe2py.structure.find import Structure
from caffe2py.structure.known import known
from caffe2py.structure.tree import Region, Row, Use, rows


class Planner:
    """Makes the plans of all blocks, those inside others first."""

    def __init__(self, structure: Structure, ops: Mapping[int, Op], classes: Namer, members: Sequence[str]) -> None:
        self.structure = structure
        self.ops = ops
        self.reserved = members
        self._classes = classes
        self._known = known(structure)
        self._plans: dict[int, Plan] = {}
        self._rows: dict[int, dict[Leaves, int]] = {}  # block -> its instances by their leaves

    def plan(self, number: int) -> Plan:
        """The plan of a block."""
        if number not in self._plans:
            block = self.structure.blocks[number]
            called = self._known[number]
            plan = Plan(block, "", called.says)
            self._fill(plan)
            plan.name = self._classes(called.name)
            self._name_members(plan)
            self._solve(plan)
            namer = Namer({*self.reserved, "x"} - {"type"})
            self._name_variables(plan, namer)
            self._condition(plan, namer)
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
                plan.pieces.append(Piece(at, use=used, values=values, slots=slots))
            elif item in self.ops:
                k = place[item]
                items = [each[k] for each in plan.block.instances]
                instances = [None if i is None else self.ops[i] for i in items]
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

    def _name_members(self, plan: Plan) -> None:
        """Call each piece that has members what its layers' names tell of it."""
        instances = plan.block.instances
        whole = [each for each in instances if not any(leaf is None for leaf in each)] or instances
        titles = [self.structure.parts.title(each) for each in whole]
        namer = Namer(self.reserved)
        pieces = [p for p in plan.pieces if p.use or (p.op and p.op.members)]
        names, types = [], []
        for piece in pieces:
            own = [[each[k] for k in piece.places] for each in whole]
            heads = [head(self.structure.parts, each) for each in own]
            several = piece.use is not None and piece.use.several
            names.append([self.structure.parts.title(each) for each in own] if several else [n.name for n in heads])
            types.append(heads[0].type)
        made = words.member_words(names, types, titles)
        for piece, word in zip(pieces, made, strict=True):
            piece.name = free_name(piece, "se" if piece.gates else word, namer)

    def _solve(self, plan: Plan) -> None:
        """Find out which numbers are arguments."""
        places: list[Place] = []
        for piece in plan.pieces:
            member = SHORTCUT if plan.lacks(piece) else piece.name
            places += [Place(role, each, member) for role, each in zip(piece.roles(), piece.values, strict=True)]
        plan.variables, said = solve(places)
        rest = iter(said)
        for piece in plan.pieces:
            piece.said = [next(rest) for _ in piece.values]
        say_sums(plan, self.structure.parts)

    def _name_variables(self, plan: Plan, namer: Namer) -> None:
        """Widths are called after what they are the width of, other numbers after what they are."""
        widths = [v for v in plan.variables if v.place.kind == "width"]
        outs = [v for v in widths if v.place.role.startswith("out")]
        into, out = self._ends(plan)
        inner = [v for v in outs if v.values != out]
        kernels = {s for p in plan.pieces for role, s in zip(p.roles(), p.said, strict=True) if role == "kernel_size"}
        made = Counter(
            s.variable for p in plan.pieces for role, s in zip(p.roles(), p.said, strict=True) if role.startswith("out")
        )
        items = [item for row in rows(plan.block.body) for item in row]
        beside = any(isinstance(item, Region) and self._concatenates(item) for item in items)
        for i, v in enumerate(plan.variables):
            role, member = v.place.role, v.place.member
            role = "dilation" if "dilation" in v.roles else role
            if v in outs and v not in inner:
                word = role if len(outs) == 1 else "out_channels"
            elif v in outs and len(inner) == 1 and not (beside and made[i] == 1):
                word = "width"
            elif v in outs:
                word = member.removeprefix("conv_") if not member[5:6].isdigit() else member
            elif v in widths and len(widths) == 1:
                word = "channels"
            elif v in widths and v.values == into:
                word = "in_features" if role == "in_features" else "in_channels"
            elif role == FLAG:
                word = f"project_{member}"
            elif role == "kernel_size" and len(kernels) > 1:
                word = f"{member}_kernel"
            else:
                word = role or "size"
            v.name = namer(word)

    def _concatenates(self, region: Region) -> bool:
        return self.structure.parts.parts[region.join].node.type == "Concat"

    def _ends(self, plan: Plan) -> list[list[int]]:
        """How many channels each instance takes, and how many it gives."""
        parts = self.structure.parts
        ends: list[list[int]] = [[], []]
        for leaves_ in plan.block.instances:
            own = [leaf for leaf in leaves_ if leaf is not None]
            made = {v for leaf in own for v in parts.parts[leaf].makes}
            read = next(v for leaf in own for v in parts.parts[leaf].reads if v not in made)
            for end, value_ in zip(ends, (read, parts.parts[own[-1]].makes[0]), strict=True):
                end.append(([*(parts.graph.shapes.get(value_) or ()), 0, 0])[1])
        return ends

    @staticmethod
    def _condition(plan: Plan, namer: Namer) -> None:
        """When a class has its shortcut: where the widths differ, or by an argument."""
        pieces = [p for p in plan.pieces if plan.lacks(p)]
        if not pieces:
            return
        there = plan.there(pieces[0])
        if any(plan.there(piece) != there for piece in pieces):
            raise Unfit  # several parts that may lack, each for itself
        said = {role: s for p in reversed(pieces) for role, s in zip(p.roles(), p.said, strict=True)}
        into, out, stride = (said.get(role) for role in ("in_channels", "out_channels", "stride"))
        if into and out and into.variable is not None:
            plan.needs = f"{into.text(plan.names)} != {out.text(plan.names)}"
            holds = [value(into, plan.variables, i) != value(out, plan.variables, i) for i in range(len(there))]
            if holds == there:
                return
            if stride and stride.variable is not None:
                plan.needs = f"{stride.text(plan.names)} != 1 or {plan.needs}"
                holds = [held or value(stride, plan.variables, i) != 1 for i, held in enumerate(holds)]
                if holds == there:
                    return
        plan.needs = namer("project")
        flags = [int(is_there) for is_there in there]
        plan.variables.append(Variable(Place(FLAG, [*flags]), flags, plan.needs, default=0))


def _flat(row: Row) -> Iterator[int | Use]:
    """The layers and blocks of a row, branch by branch."""
    for item in row:
        if isinstance(item, Region):
            for branch in item.branches:
                for each in branch:
                    yield from _flat(each)
            yield item.join
        else:
            yield item
