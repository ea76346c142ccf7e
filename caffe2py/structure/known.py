"""What people call blocks of a known shape, and a sentence that says what a block does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from string import ascii_uppercase

from caffe2py.graph import Node
from caffe2py.structure.find import Block, Structure
from caffe2py.structure.joins import is_gate, is_sum
from caffe2py.structure.names import start
from caffe2py.structure.tree import Body, Item, Region, Row, Use, leaves

GATED = "SqueezeExcitation"
MANY = 3  # kernels that are listed one by one
SHORTCUT = 4  # layers in one, at most
CALLED = {"BatchNorm": "batch normalisation", "ReLU": "ReLU", "PReLU": "PReLU", "ELU": "ELU", "Sigmoid": "sigmoid"}
PLAIN = {"Convolution", "BatchNorm", "Scale", "ReLU", "PReLU", "ELU", "Dropout"}  # layers of a dense layer


@dataclass(frozen=True)
class Known:
    """The name of a block's class, and what it says of itself."""

    name: str
    says: str


def known(structure: Structure) -> list[Known]:
    """What to call each block, by number. Another kind of the same is called B, as in papers, and so on."""
    namer = _Namer(structure)
    for number in range(len(structure.blocks)):
        namer.name(number)
    return [namer.found[number] for number in range(len(structure.blocks))]


class _Namer:
    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self.parts = structure.parts
        self.found: dict[int, Known] = {}

    def name(self, number: int) -> Known:
        """The name of a block: those of the blocks in it are found first."""
        if number not in self.found:
            block = self.structure.blocks[number]
            for use in block.uses():
                self.name(use.of)
            said = self._known(block)
            taken = {other.name for other in self.found.values()}
            kinds = ["", *ascii_uppercase[1:], *map(str, range(27, 27 + len(self.structure.blocks)))]
            name = next(name for kind in kinds if (name := f"{said.name}{kind}") not in taken)
            self.found[number] = Known(name, said.says)
        return self.found[number]

    def _known(self, block: Block) -> Known:
        (row,) = block.body
        if len(row) == 1 and is_gate(self.parts, row[0]):
            return Known(GATED, "Scale each channel by a gate that is made of the channels' means.")
        region = next((item for item in row if isinstance(item, Region)), None)
        if region is None:
            return self._chain(block, row)
        if is_sum(self.parts, region.join) and (made := self._residual(block, region)):
            return made
        if self.node(region.join).type == "Concat":
            return self._concat(block, row, region)
        return self._other(block)

    def _residual(self, block: Block, region: Region) -> Known | None:
        """Something, plus the input or a projection of it; None for the sum of other things."""
        *shortcuts, main = sorted(region.branches, key=lambda branch: len([*self._nodes(branch)]))
        shortcut = [leaf for row in shortcuts[0] for leaf in leaves(row)] if len(shortcuts) == 1 else []
        if len(shortcuts) != 1 or len(shortcut) > SHORTCUT or len([*self._convolutions(shortcuts[0])]) > 1:
            return None
        kernels = [self._kernel(node) for node in self._convolutions(main)]
        gated = "SE" if any(self._gates(item) for row in main for item in row) else ""
        alone = [*map(_depthwise, self._convolutions(main))]
        shapes = {("1x1", "3x3", "1x1"): "Bottleneck", ("3x3", "3x3"): "BasicBlock"}
        shape = shapes.get(tuple(kernels), "ResidualBlock")
        shape = "InvertedResidual" if alone == [False, True, False] and kernels[0] == kernels[2] == "1x1" else shape
        input_ = "a projection of the input" if shortcut else "the input"
        if any(block.leaves.index(leaf) in block.optional for leaf in shortcut):
            input_ = "the input or its projection"
        return Known(f"{gated}{shape}", f"{self._does(main)}{' and a gate' if gated else ''}, plus {input_}.")

    def _does(self, body: Body) -> str:
        """`1x1, 3x3 and 1x1 convolutions`; `Four SEBasicBlock and one 3x3 convolution`."""
        kernels = [self._kernel(node) for node in self._convolutions(body)]
        runs = [(word, len(list(same))) for word, same in groupby(self._words(body))]
        if all(word in kernels for word, _ in runs) or len(runs) > MANY:
            return f"{_listed(kernels)} convolutions" if kernels else "Layers"
        ends = {1: " convolution"}
        said = [f"{_count(n)} {word}{ends.get(n, ' convolutions') if word in kernels else ''}" for word, n in runs]
        return _joined([said[0], *map(_small, said[1:])])

    def _words(self, body: Body) -> Iterator[str]:
        """The kernels of a body, and the names of the blocks in it that have more than one."""
        for item in (item for row in body for item in row if not self._gates(item)):
            if isinstance(item, Region):
                for branch in item.branches:
                    yield from self._words(branch)
                continue
            kernels = [self._kernel(node) for node in self._convolutions(((item,),))]
            yield from [self.found[item.of].name] if isinstance(item, Use) and len(kernels) > 1 else kernels

    def _concat(self, block: Block, row: Row, region: Region) -> Known:
        before = row[: row.index(region)]
        identity = any(not branch for branch in region.branches)
        squeezes = any(self.node(i).type == "Convolution" for i in before if isinstance(i, int))
        if squeezes and len(region.branches) == 2 and not identity:
            kernels = [self._kernel(n) for branch in region.branches for n in self._convolutions(branch)]
            if sorted(kernels) == ["1x1", "3x3"]:
                return Known("Fire", "Squeeze the channels, then expand them by 1x1 and 3x3 kernels side by side.")
        if identity and len(region.branches) == 2 and not before and self._adds_channels(region):
            return Known("DenseLayer", "New channels, made of all the channels before and put beside them.")
        heads = [next(self._nodes(branch)).type for branch in region.branches if branch]
        if identity and len(heads) > 1 and {*heads} == {"Pooling"}:
            return Known("PyramidPooling", "The input, and beside it what is made of it when pooled in several sizes.")
        if any(node.type == "ShuffleChannel" for node in self._nodes(block.body)):
            return Known("ShuffleUnit", "Branches side by side, whose channels are shuffled.")
        if len(region.branches) > 2 and not identity:
            gated = any(self._gates(item) for item in row)
            says = f"{_count(len(region.branches))} branches side by side{', and a gate' if gated else ''}."
            return Known("SEInception" if gated else "Inception", says)
        return self._other(block)

    def _adds_channels(self, region: Region) -> bool:
        """Is there nothing in the branches but one or two convolutions with what works on each of their values?"""
        types = [node.type for branch in region.branches for node in self._nodes(branch)]
        return 1 <= types.count("Convolution") <= 2 and {*types} <= PLAIN

    def _chain(self, block: Block, row: Row) -> Known:
        types = [node.type for node in self._nodes(block.body)]
        convolutions = [*self._convolutions(block.body)]
        kernels = [self._kernel(node) for node in convolutions]
        alone = [*map(_depthwise, convolutions)]
        if alone == [True, False] and kernels[1] == "1x1":
            says = "A convolution of each channel alone, then one of 1x1 across them."
            return Known("DepthwiseSeparable", says)
        if alone == [False, True, False] and kernels[0] == kernels[2] == "1x1":
            says = f"A 1x1 convolution, one of {kernels[1]} of each channel alone, and another of 1x1."
            return Known("MBConv", says)
        if len(convolutions) == 1 and types[0] == "Convolution" and {*types[1:]} <= {*CALLED} and len(types) <= 3:
            behind = [("Leaky" if _leaks(node) else "", node.type) for node in [*self._nodes(block.body)][1:]]
            name = "".join(f"{leaky}{type_}" for leaky, type_ in behind).replace("BatchNorm", "BN")
            called = [f"{leaky.lower()} {CALLED[type_]}".strip() for leaky, type_ in behind]
            return Known(f"Conv{name}", f"{_joined(['Convolution', *called])}.")
        if len(kernels) == 2 and len({*kernels}) == 1 and not any(alone):
            return Known("DoubleConv", f"{self._does(block.body)}.")
        return self._other(block)

    def _other(self, block: Block) -> Known:
        """A block of no known shape is called what the names of all of its kind share."""
        titles = [self.parts.title(each) for each in block.instances]
        shared = re.match(r"[^\W\d_]*", start(titles))
        word = shared[0] if shared else ""
        name = f"{word[:1].upper()}{word[1:]}Block" if word and word.lower() != "block" else "Block"
        does = self._does(block.body)
        return Known(name, f"{does}." if does != "Layers" else "Layers that come together several times.")

    def node(self, leaf: int) -> Node:
        return self.parts.parts[leaf].node

    def _nodes(self, body: Body) -> Iterator[Node]:
        return (self.node(leaf) for row in body for leaf in leaves(row) if leaf is not None)

    def _gates(self, item: Item) -> bool:
        if isinstance(item, Use):
            (row,) = self.structure.blocks[item.of].body
            return len(row) == 1 and is_gate(self.parts, row[0])
        return is_gate(self.parts, item)

    def _convolutions(self, body: Body, own: Mapping[int | None, int | None] | None = None) -> Iterator[Node]:
        """The convolutions of a body, without those of its gates. `own`: the leaves in the places of the body's."""
        for item in (item for row in body for item in row if not self._gates(item)):
            if isinstance(item, Region):
                for branch in item.branches:
                    yield from self._convolutions(branch, own)
            elif isinstance(item, Use):
                used = self.structure.blocks[item.of]
                there = [own[leaf] if own else leaf for leaf in item.leaves]
                yield from self._convolutions(used.body, dict(zip(used.leaves, there, strict=True)))
            else:
                leaf = own[item] if own else item
                if leaf is not None and self.node(leaf).type == "Convolution":
                    yield self.node(leaf)

    @staticmethod
    def _kernel(node: Node) -> str:
        shape = node.weights[0].shape[2:] if node.weights else ()
        return "x".join(map(str, shape)) or "?"


def _depthwise(node: Node) -> bool:
    group = getattr(node.layer, "group", 1)
    return group > 1 and group == getattr(node.layer, "num_output", 0)


def _leaks(node: Node) -> bool:
    return bool(getattr(node.layer, "negative_slope", 0))


def _listed(words: Sequence[str]) -> str:
    """`1x1, 3x3 and 1x1`; `Five 7x7 and two 1x1` of many."""
    runs = [(word, len(list(same))) for word, same in groupby(words)]
    if len(words) > MANY or len(runs) == 1 < len(words):
        if len(runs) > MANY:
            return _count(len(words))
        said = [f"{_count(n)} {word}" for word, n in runs]
        words = [said[0], *map(_small, said[1:])]
    return _joined(words)


def _joined(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]


def _small(word: str) -> str:
    return f"{word[:1].lower()}{word[1:]}"


def _count(n: int) -> str:
    words = "No One Two Three Four Five Six Seven Eight Nine Ten".split()
    return words[n] if n < len(words) else str(n)
