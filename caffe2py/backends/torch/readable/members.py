"""The pieces of a class as its members: one by one, a stage of blocks as a list, a shortcut that may lack as one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise

from caffe2py.backends.names import Namer
from caffe2py.backends.torch.readable.forward import Call
from caffe2py.backends.torch.readable.ops import Unfit
from caffe2py.backends.torch.readable.plan import SHORTCUT, Piece, Plan, creation, free_name, head
from caffe2py.backends.torch.readable.texts import Hole, Number, Word, hole, numbers, written
from caffe2py.backends.torch.writing.emitter import declaration
from caffe2py.backends.torch.writing.layout import laid_out
from caffe2py.graph import Graph, Value
from caffe2py.structure.names import stage
from caffe2py.structure.parts import Parts

# What moves the values of the one value that is read, and so goes on with its line.
MOVES = re.compile(r"(\.(permute|flatten|transpose|unflatten|squeeze|unsqueeze)\([-\d, ()]*\))+")
ALIKE = 2  # equal blocks in a row that a loop makes
RISING = 3  # blocks in a row with one number that rises
MANY = 5  # equal convolutions in a row that are a list


@dataclass
class Member:
    """Pieces under one name."""

    plan: Plan
    pieces: list[Piece]
    name: str
    reads: tuple[Value, ...]
    makes: tuple[Value, ...]
    tail: bool = False
    declared: list[str] = field(init=False)

    def __post_init__(self) -> None:
        for i, piece in enumerate(self.pieces):
            piece.path = self.name if len(self.pieces) == 1 else f"{self.name}.{i}"
        self.declared = list(self._declared())

    @property
    def lacking(self) -> bool:
        """Is it the shortcut that some instances of the class lack?"""
        return self.plan.lacks(self.pieces[0])

    def _declared(self) -> Iterator[str]:
        """Its lines in `__init__`."""
        names = self.plan.names
        made = [text for piece in self.pieces for _, text, _ in _declarations(piece, names)]
        if self.lacking:
            if any(piece.op and len(piece.op.members) != 1 for piece in self.pieces):
                raise Unfit
            text = made[0] if len(made) == 1 else f"nn.Sequential({', '.join(made)})"
            yield f"        if {self.plan.needs}:"
            yield from laid_out(f"self.{self.name} = {text}", 12)
            yield "        else:"
            yield f"            self.{self.name} = nn.Identity()"
        elif len(self.pieces) > 1:
            yield from laid_out(f"self.{self.name} = nn.Sequential({', '.join(_loops(self.pieces, made, names))})", 8)
        else:
            for suffix, text, buffer in [] if self.pieces[0].shared else _declarations(self.pieces[0], names):
                yield from laid_out(declaration(f"{self.name}{suffix}", text, buffer), 8)

    def call(self) -> Call | None:
        """What it does in `forward`."""
        (piece, *others) = self.pieces
        if not self.makes:
            return None
        if others or piece.op is None or self.lacking:
            holes = ", ".join(hole("b", k) for k in range(len(self.reads)))
            return Call(self.reads, self.makes, (f"self.{self.name}({holes})",))
        rest = [
            said.text([f"self.{name}" for name in self.plan.names]) for said in piece.said[piece.declared_numbers :]
        ]

        def fill(h: Hole) -> str:
            assert piece.op is not None
            return hole("b", h.index) if h.kind == "b" else f"{self.name}{piece.op.members[h.index].suffix}"

        texts = []
        for text in piece.op.expressions:
            n = len(numbers(text))
            texts.append(written(text, rest[:n], fill))
            rest = rest[n:]
        return Call(self.reads, self.makes, tuple(texts), self.tail)


def _shown(word: Word) -> str:
    return word if isinstance(word, str) else "0" if isinstance(word, Number) else "x"


def _weights(piece: Piece) -> Hashable:
    """What two layers have in common that are one module: all their weights, and their text; None without weights."""
    assert piece.op is not None
    sources = [source for member in piece.op.members for source in member.state.values()]
    if not all(isinstance(source, int) for source in sources):
        return None
    owners = tuple(piece.op.part.node.weights[source].owner for source in sources if isinstance(source, int))
    return (owners, tuple(member.declared for member in piece.op.members)) if owners else None


def _declarations(piece: Piece, names: Sequence[str]) -> Iterator[tuple[str, str, bool]]:
    """Of each of a piece's members: what its name has behind the piece's, what it is, and whether it is a buffer."""
    said = [each.text(names) for each in piece.said]
    if piece.use is not None:
        yield "", creation(piece.use, said), False
        return
    assert piece.op is not None
    for member in piece.op.members:
        n = len(numbers(member.declared))
        yield member.suffix, written(member.declared, said[:n], lambda h: h.kind), member.buffer
        said = said[n:]


def _loops(pieces: Sequence[Piece], made: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    """The blocks of a list, those that are equal or rise as a loop."""
    if rising(pieces):
        yield f"*({_rising(pieces, names)} for i in range({len(pieces)}))"
        return
    for text, same in groupby(made):
        count = len(list(same))
        yield f"*({text} for _ in range({count}))" if count >= ALIKE else text


def _steps(pieces: Sequence[Piece]) -> list[tuple[int, int]]:
    """The numbers that differ from piece to piece, each with its step; none where one has no step."""
    found = []
    for k, first in enumerate(pieces[0].said):
        values = [piece.said[k].value for piece in pieces]
        if any(piece.said[k].variable is not None for piece in pieces):
            if any(piece.said[k] != first for piece in pieces):
                return []
        elif len(set(values)) > 1:
            step = values[1] - values[0]
            if any(b - a != step for a, b in pairwise(values)):
                return []
            found.append((k, step))
    return found


def rising(pieces: Sequence[Piece]) -> bool:
    """Do the blocks differ in one number alone, by the same step?"""
    return len(pieces) >= RISING and len(_steps(pieces)) == 1


def _rising(pieces: Sequence[Piece], names: Sequence[str]) -> str:
    ((at, step),) = _steps(pieces)
    piece = pieces[0]
    said = [each.text(names) for each in piece.said]
    sign = "+" if step > 0 else "-"
    said[at] = f"{said[at]} {sign} {abs(step)} * i"
    assert piece.use is not None
    return creation(piece.use, said)


class Grouping:
    """Puts the pieces of a class under names."""

    def __init__(self, graph: Graph, parts: Parts, reserved: Sequence[str]) -> None:
        self.graph = graph
        self.parts = parts
        self.reserved = reserved

    def members(self, plan: Plan, net: bool) -> list[Member]:
        """The members of a class, in the order in which they run."""
        uses = Counter(v for piece in plan.pieces for v in self.reads(plan, piece))
        uses.update(self.graph.results)
        namer = Namer(self.reserved)
        if net:
            first: dict[Hashable, str] = {}
            for piece in plan.pieces:
                if piece.op is not None and piece.op.members:
                    same = _weights(piece)
                    piece.shared = same in first
                    piece.name = first.get(same) or free_name(piece, piece.op.part.node.name, namer)
                    first.update({same: piece.name} if same else {})
        found: list[tuple[list[Piece], list[str]]] = []  # pieces, and what they may be called
        for lacks, some in groupby(plan.pieces, key=plan.lacks):
            if lacks:
                found.append((list(some), [SHORTCUT]))
                continue
            for run in self._runs(plan, list(some), uses):
                found += self._stages(plan, run) if net else self._loops(plan, run)
        counts = Counter(names[0] for _, names in found if names)
        made = []
        for pieces, names in found:
            if net and names:
                name = namer(names[0] if counts[names[0]] == 1 else names[-1])
            else:
                name = names[0] if names else pieces[0].name
            made.append(self._member(plan, pieces, name))
        return made

    def reads(self, plan: Plan, piece: Piece) -> tuple[Value, ...]:
        """What a piece reads of others."""
        own = [plan.block.leaves[k] for k in piece.places]
        values = [v for leaf in own if leaf is not None for v in self.parts.parts[leaf].reads]
        if piece.op is not None:
            return tuple(values)
        inside = set(own)
        return tuple(dict.fromkeys(v for v in values if self.parts.makers[v][0] not in inside))

    def makes(self, plan: Plan, pieces: Sequence[Piece]) -> tuple[Value, ...]:
        """What others read of some pieces; of a single layer, all its tops."""
        own = {plan.block.leaves[k] for piece in pieces for k in piece.places}
        tops = [v for leaf in own if leaf is not None for v in self.parts.parts[leaf].makes]
        if len(pieces) == 1 and pieces[0].op is not None:
            return tuple(tops)
        results = set(self.graph.results)
        return tuple(v for v in tops if v in results or any(r not in own for r in self.parts.readers[v]))

    def _member(self, plan: Plan, pieces: list[Piece], name: str) -> Member:
        reads = self.reads(plan, pieces[0])
        tail = len(pieces) == 1 and pieces[0].op is not None and self._goes_on(pieces[0])
        return Member(plan, pieces, name, reads, self.makes(plan, pieces), tail)

    def _goes_on(self, piece: Piece) -> bool:
        """Does a layer work on each value, as an activation or a normalisation does?"""
        assert piece.op is not None
        part = piece.op.part
        if len(part.reads) != 1 or len(piece.op.expressions) != 1 or part.node.type == "Pooling":
            return False
        if piece.op.members and part.node.type not in ("BatchNorm", "PReLU"):
            return False
        shapes = {self.graph.shapes[v] for v in (*part.reads, *part.makes)}
        text = piece.op.expressions[0]
        if text[0] == Hole("b", 0) and MOVES.fullmatch("".join(map(_shown, text[1:]))):
            return True
        if len(shapes) != 1 or text[-1] == text[0]:
            return False
        at = next((k for k, each in enumerate(text) if each == Hole("b", 0)), len(text) - 1)
        before = "".join(each if isinstance(each, str) else "m" for each in text[:at])
        after = text[at + 1] if at + 1 < len(text) else ""
        return bool(re.fullmatch(r"[\w.]+\(", before)) and isinstance(after, str) and after[:1] in (")", ",")

    def _runs(self, plan: Plan, pieces: list[Piece], uses: Counter[Value]) -> Iterator[list[Piece]]:
        """Blocks of one class that follow each other, together."""
        run: list[Piece] = []
        for piece in pieces:
            if run and piece.use is not None and piece.use is run[-1].use:
                reads = self.reads(plan, piece)
                if reads == self.makes(plan, run[-1:]) and uses[reads[0]] == 1:
                    run.append(piece)
                    continue
            if run:
                yield run
            run = [piece]
        if run:
            yield run

    @staticmethod
    def _loops(plan: Plan, run: list[Piece]) -> Iterator[tuple[list[Piece], list[str]]]:
        """In a class, equal blocks in a row are a list, which is called after the first without its number."""
        if len(run) >= ALIKE and all(piece.said == run[0].said for piece in run):
            others = {piece.name for piece in plan.pieces if piece not in run}
            name = run[0].name.rstrip("_0123456789")
            yield run, [run[0].name if not name or name in others else name]
        else:
            yield from (([piece], []) for piece in run)

    def _stages(self, plan: Plan, run: list[Piece]) -> Iterator[tuple[list[Piece], list[str]]]:
        """In the net, a list for each stage of blocks in which some are equal; else blocks one by one.

        Each with what it may be called: a list after its stage, or its first block.
        """
        if run[0].op is not None:
            yield run, []
            return
        if not self._is_stage(run):  # convolutions with what follows them: only many equal ones are a list
            for _, some in groupby(run, key=lambda piece: piece.said):
                same = list(some)
                if len(same) >= MANY:
                    yield same, [stage(self._title(plan, same[0])), self._head(plan, same[0])]
                else:
                    yield from (([piece], [self._head(plan, piece)]) for piece in same)
            return
        titles = {id(piece): self._title(plan, piece) for piece in run}
        groups = [list(some) for _, some in groupby(run, key=lambda piece: stage(titles[id(piece)]))]
        listed = any(self._repeats(pieces) for pieces in groups)
        for pieces in groups:
            first, last = titles[id(pieces[0])], titles[id(pieces[-1])]
            if listed and len(pieces) >= ALIKE:
                yield pieces, [*([stage(first)] if first != last else []), first]
            else:
                yield from (([piece], [titles[id(piece)]]) for piece in pieces)

    @staticmethod
    def _repeats(pieces: list[Piece]) -> bool:
        """Are two that follow each other equal, or do all rise?"""
        return rising(pieces) or any(a.said == b.said for a, b in pairwise(pieces))

    @staticmethod
    def _is_stage(run: list[Piece]) -> bool:
        """Are these blocks that may stand in a list, and not a convolution with what follows it, or a gate?"""
        use = run[0].use
        return use is not None and use.several and not run[0].gates

    def _head(self, plan: Plan, piece: Piece) -> str:
        """The name of the layer after which a piece is called; of a gate, what its layers are called together."""
        if piece.gates:
            return f"{self._title(plan, piece)}_se"
        return head(self.parts, (plan.block.leaves[k] for k in piece.places)).name

    def _title(self, plan: Plan, piece: Piece) -> str:
        return self.parts.title(plan.block.leaves[k] for k in piece.places)
