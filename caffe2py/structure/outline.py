"""What was found in a net, as a short text: the net with its blocks in their places, and each kind of block once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from caffe2py.errors import shown
from caffe2py.graph import Graph
from caffe2py.structure.find import Block, Structure, find
from caffe2py.structure.known import known
from caffe2py.structure.parts import Parts
from caffe2py.structure.stages import stage_title, stages
from caffe2py.structure.tree import Body, Item, Region, Row, Use


class Outline:
    """The blocks of a graph, as text and as plain values."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.structure: Structure = find(Parts.of(graph))
        self._known = known(self.structure)

    def __str__(self) -> str:
        lines = [shown(self.graph.name) or "(no name)", *self._body(self.structure.net, self.structure.net.body, 1)]
        for block, said in zip(self.structure.blocks, self._known, strict=True):
            lines += ["", f"{said.name}, {len(block.instances)} times: {said.says}"]
            lines += self._body(block, block.body, 1)
        return "\n".join(lines)

    def values(self) -> list[dict[str, Any]]:
        """Each kind of block: what it is called and does, and the layers of each of its kind."""
        return [
            {
                "name": said.name,
                "says": said.says,
                "layers": [[self._name(leaf) for leaf in each if leaf is not None] for each in block.instances],
            }
            for block, said in zip(self.structure.blocks, self._known, strict=True)
        ]

    def _name(self, leaf: int) -> str:
        return self.structure.parts.parts[leaf].node.name

    def _body(self, block: Block, body: Body, depth: int) -> Iterator[str]:
        """Rows as lines, branches under them."""
        indent = "  " * depth
        for row in body:
            for region, some in groupby(row, key=lambda item: isinstance(item, Region)):
                if not region:
                    yield from (f"{indent}{line}" for line in self._row(block, tuple(some)))
                    continue
                for item in some:
                    assert isinstance(item, Region)
                    for branch in item.branches:
                        yield f"{indent}|{self._lacking(block, branch)}"
                        yield from self._body(block, branch, depth + 1)
                    yield f"{indent}= {self._word(block, item.join)}"

    def _row(self, block: Block, items: Row) -> Iterator[str]:
        """Layers that follow each other in one line, blocks of a stage in another."""
        if block is not self.structure.net:
            yield ", ".join(self._word(block, item) for item in items)
            return
        for blocks, some in groupby(stages(self.structure.parts, items), key=lambda each: isinstance(each[0], Use)):
            if not blocks:
                yield ", ".join(self._word(block, item) for (item,) in some)
                continue
            for stage in some:
                uses = [item for item in stage if isinstance(item, Use)]
                title = stage_title([self.structure.parts.title(use.leaves) for use in uses])
                yield f"{shown(title)}: {len(uses)} x {self._known[uses[0].of].name}"

    def _word(self, block: Block, item: Item) -> str:
        """A layer of the net by its name, one of a block by its type, since its name differs from block to block."""
        if isinstance(item, Use):
            return self._known[item.of].name
        assert isinstance(item, int)
        part = self.structure.parts.parts[item]
        if part.step is not None:
            return ("product", "sum")[part.step]
        kernel = "x".join(map(str, part.node.weights[0].shape[2:])) if part.node.weights else ""
        return shown(part.node.name if block is self.structure.net else f"{part.node.type} {kernel}".rstrip())

    def _lacking(self, block: Block, branch: Body) -> str:
        """How many of the blocks have a branch that some lack."""
        first = next((item for row in branch for item in row if isinstance(item, int)), None)
        if first is None or first not in block.leaves:
            return "" if branch else " (the input)"
        there = sum(each[block.leaves.index(first)] is not None for each in block.instances)
        return "" if there == len(block.instances) else f" (in {there} of {len(block.instances)}, else the input)"
