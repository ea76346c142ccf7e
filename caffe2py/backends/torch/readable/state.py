"""Where each layer's weights are in the net's module, and its lines there when it runs alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from caffe2py.backends.names import Namer
from caffe2py.backends.torch.readable.ops import Op, Unfit
from caffe2py.backends.torch.readable.plan import Leaves, Plan, within
from caffe2py.backends.torch.readable.texts import Hole, plain
from caffe2py.backends.torch.writing.program import Binding, Step
from caffe2py.backends.torch.writing.text import taken
from caffe2py.graph import Graph, Value


class State:
    """The state dict's keys, by layer."""

    def __init__(self, ops: Mapping[int, Op], net: Plan) -> None:
        self.ops = ops
        self.bindings: dict[str, Binding] = {}
        self._paths: dict[int, list[str]] = {}  # part -> the paths of its members
        self._bound = 0  # entries of layers that share no module
        self._bind(net, net.block.leaves, "")
        if self._bound != len(self.bindings) or set(self._paths) != set(ops):
            raise Unfit  # each weight is in one place, or the text is not the net

    def _bind(self, plan: Plan, leaves: Leaves, prefix: str) -> None:
        for piece in plan.pieces:
            own = within(leaves, piece.slots or piece.places)
            if all(leaf is None for leaf in own):
                continue
            if piece.use is not None:
                self._bind(piece.use, own, f"{prefix}{piece.path}.")
                continue
            (leaf,) = own
            assert leaf is not None
            op = self.ops[leaf]
            self._paths[leaf] = [f"{prefix}{piece.path}{member.suffix}" for member in op.members]
            if piece.shared:
                continue
            self._bound += sum(len(member.state) for member in op.members)
            for path, member in zip(self._paths[leaf], op.members, strict=True):
                for key, source in member.state.items():
                    self.bindings[f"{path}.{key}" if key else path] = Binding(op.part.node, source)

    def ties(self) -> list[tuple[str, str]]:
        """Entries that are one parameter with another, and the first of them."""
        first: dict[tuple[str, int], str] = {}
        found = []
        for key, binding in self.bindings.items():
            if (owner := binding.owner) and first.setdefault(owner, key) != key:
                found.append((reached(key), reached(first[owner])))
        return found

    def steps(self, graph: Graph, inputs: Mapping[str, str], name: str) -> tuple[list[Step], tuple[str, ...]]:
        """The layers one by one, each with the lines that run it in the net's module; the outputs' variables."""
        namer = Namer({*taken(), name, *inputs.values()})
        made: dict[int, list[int]] = {}  # node -> its parts
        for i, op in self.ops.items():
            made.setdefault(id(op.part.node), []).append(i)
        names: dict[Value, str] = {}
        steps = []
        for node in graph.nodes:
            if node.layer.is_input:
                names.update({v: inputs[v.blob] for v in node.tops})
                steps.append(Step(node, (), (), tuple(names[v] for v in node.tops)))
                continue
            bottoms = tuple(names[v] for v in node.bottoms)
            names.update({v: namer(v.blob) for v in node.tops})
            tops = tuple(names[v] for v in node.tops)
            steps.append(Step(node, tuple(self._lines(made[id(node)], bottoms, tops)), bottoms, tops))
        return steps, tuple(names[v] for v in graph.results)

    def _lines(self, parts: Sequence[int], bottoms: Sequence[str], tops: Sequence[str]) -> Iterator[str]:
        said = self._expressions(parts[0], bottoms)
        if len(parts) > 1:  # a product, and the sum of it and what is left
            said = self._expressions(parts[1], [said[0], *bottoms[len(self.ops[parts[0]].part.reads) :]])
        if len(said) == len(tops):
            yield from (f"{top} = {text}" for top, text in zip(tops, said, strict=True))
        else:
            yield f"{', '.join(tops)} = {said[0]}"

    def _expressions(self, part: int, bottoms: Sequence[str]) -> list[str]:
        def fill(h: Hole) -> str:
            return bottoms[h.index] if h.kind == "b" else reached(self._paths[part][h.index]).removeprefix("self.")

        return [plain(text, fill) for text in self.ops[part].expressions]


def reached(path: str) -> str:
    """A path as an expression: `conv2.0.reduce` as `self.conv2[0].reduce`."""
    return "self" + "".join(f"[{word}]" if word.isdigit() else f".{word}" for word in path.split("."))
