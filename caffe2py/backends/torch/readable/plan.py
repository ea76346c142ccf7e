"""What is known of a class before it is written: its pieces, its arguments, and how its numbers are said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from caffe2py.backends.names import Namer, identifier
from caffe2py.backends.torch.readable.numbers import FLAG, Column, Said, Variable
from caffe2py.backends.torch.readable.ops import Op
from caffe2py.backends.torch.readable.texts import numbers
from caffe2py.graph import Node
from caffe2py.structure.find import Block
from caffe2py.structure.known import GATED
from caffe2py.structure.parts import Parts
from caffe2py.structure.tree import Region

Leaves = tuple[int | None, ...]
SHORTCUT = "shortcut"


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
    shared: bool = False  # its members are those of a layer before, with all their weights
    path: str = ""  # where it is in the class: its name, or its number in a list

    @property
    def declared_numbers(self) -> int:
        """How many of its numbers are those of its members."""
        return sum(len(numbers(m.declared)) for m in self.op.members) if self.op else len(self.said)

    @property
    def gates(self) -> bool:
        """Is it a gate of channels?"""
        return self.use is not None and self.use.name.startswith(GATED)

    @property
    def convolves(self) -> bool:
        """Has it weights, other than those of a normalisation?"""
        return self.op is not None and bool(self.op.members) and self.op.part.node.type != "BatchNorm"

    def roles(self) -> list[str]:
        """What each of its numbers is."""
        if self.use is not None:
            return [v.place.role for v in self.use.variables]
        return [n.role for text in self.op.texts for n in numbers(text)] if self.op else []


@dataclass
class Plan:
    """A class. The net is one too, with one instance."""

    block: Block
    name: str
    says: str
    pieces: list[Piece] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    needs: str = ""  # when there is a shortcut: a condition, or an argument

    @property
    def names(self) -> list[str]:
        return [v.name for v in self.variables]

    @property
    def branched(self) -> bool:
        """Is it more than layers in a row?"""
        return any(isinstance(item, Region) for row in self.block.body for item in row)

    @property
    def several(self) -> bool:
        """Is it more than a convolution with what follows it?"""
        return self.branched or sum(piece.use is not None or piece.convolves for piece in self.pieces) > 1

    def lacks(self, piece: Piece) -> bool:
        """Is there an instance without the whole of a piece?"""
        return not all(self.there(piece))

    def there(self, piece: Piece) -> list[bool]:
        """Which instances have a piece, or some of it."""
        return [any(each[k] is not None for k in piece.places) for each in self.block.instances]


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


def head(parts: Parts, leaves: Iterable[int | None]) -> Node:
    """The layer after which several are called: the first with weights."""
    nodes = [parts.parts[leaf].node for leaf in leaves if leaf is not None]
    return next((node for node in nodes if node.weights), nodes[0])


def within(leaves_: Leaves, slots: Sequence[int | None]) -> Leaves:
    """The leaves of a block that stands in another with these leaves."""
    return tuple(None if k is None else leaves_[k] for k in slots)


def signature(plan: Plan) -> str:
    """The arguments of `__init__`."""
    first = [f"{v.name}: int" for v in plan.variables if v.default is None]
    named = [
        f"{v.name}: {'bool' if v.place.role == FLAG else 'int'} = {_truth(v, str(v.default))}"
        for v in plan.variables
        if v.default is not None
    ]
    return ", ".join(["self", *first, *named])


def creation(plan: Plan, words: Sequence[str]) -> str:
    """A call of a class, with words for its arguments."""
    pairs = list(zip(plan.variables, words, strict=True))
    first = [word for v, word in pairs if v.default is None]
    named = [f"{v.name}={_truth(v, word)}" for v, word in pairs if v.default is not None and word != str(v.default)]
    return f"{plan.name}({', '.join([*first, *named])})"


def _truth(variable: Variable, word: str) -> str:
    """A word for a variable, that for a choice as True or False."""
    return {"1": "True", "0": "False"}.get(word, word) if variable.place.role == FLAG else word


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
