"""Running a few layers of a net on given values: what a layer would have made, had it been another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from caffe2py.backends.torch.run import runner
from caffe2py.errors import CaffeError
from caffe2py.graph import Graph, Node, Value
from caffe2py.layers.base import Layer, Misfit, Shape
from caffe2py.layers.data.input import Input
from caffe2py.proof.dumps.sample import Top
from caffe2py.proof.measures.measure import scale_of, whole_error


@dataclass(frozen=True)
class Trial:
    """Layers in the order they run, the values that they are fed, and what the last of them should make."""

    nodes: tuple[Node, ...]
    fed: Mapping[Value, np.ndarray]
    wanted: Value
    target: Top
    phase: str = "TEST"

    def run(self) -> np.ndarray | None:
        """The wanted value; None where the layers do not fit each other."""
        try:
            graph = self._graph()
            made = runner(graph, "exact")
            inputs = {str(v): torch.from_numpy(np.array(a, np.float32)) for v, a in self.fed.items()}
            with torch.no_grad():
                *_, (_, tops) = made.steps(inputs)
            return tops[self.nodes[-1].tops.index(self.wanted)].detach().numpy()
        except (Misfit, CaffeError, RuntimeError, ValueError, IndexError):
            return None  # a mistake that cannot have been made here

    def error(self) -> float | None:
        """How far the wanted value is from the target; None where the layers do not run, or make another shape."""
        made = self.run()
        if made is None or made.shape != tuple(self.target.shape):
            return None
        return whole_error(made, self.target, scale_of(self.target))

    def swapped(self, old: Node, new: Node, fed: Mapping[Value, np.ndarray] | None = None) -> Trial:
        """The same with another layer in the place of one."""
        nodes = tuple(new if node is old else node for node in self.nodes)
        return replace(self, nodes=nodes, fed={**self.fed, **(fed or {})})

    def before(self, node: Node) -> list[np.ndarray] | None:
        """What a layer of the trial reads."""
        known = dict(self.fed)
        for v in node.bottoms:
            if v not in known:
                maker = next(n for n in self.nodes if v in n.tops)
                nodes = self.nodes[: self.nodes.index(maker) + 1]
                made = replace(self, nodes=nodes, wanted=v).run()
                if made is None:
                    return None
                known[v] = made
        return [known[v] for v in node.bottoms]

    def _graph(self) -> Graph:
        """A net of these layers. Every value gets a blob of its own: nothing is overwritten."""
        names = {v: Value(str(v)) for v in (*self.fed, *(t for n in self.nodes for t in n.tops))}
        shapes: dict[Value, Shape] = {names[v]: tuple(a.shape) for v, a in self.fed.items()}
        given = tuple(tuple(a.shape) for a in self.fed.values())
        source = Node("(fed)", _inputs(given), (), tuple(names[v] for v in self.fed))
        nodes = [source]
        for node in self.nodes:
            bottoms = tuple(names[v] for v in node.bottoms)
            tops = tuple(names[v] for v in node.tops)
            made = node.layer.shapes(*[shapes[v] for v in bottoms])
            shapes.update(zip(tops, (tuple(s or ()) for s in made), strict=True))
            nodes.append(replace(node, bottoms=bottoms, tops=tops, loss_weights=(), stopped=()))
        end = names[self.wanted]
        inputs = {v.blob: shapes[v] for v in source.tops}
        return Graph("trial", tuple(nodes), dict(shapes), dict(inputs), (end.blob,), (end,), self.phase)


def _inputs(given: Sequence[Shape]) -> Layer:
    return Input(given=tuple(given))  # type: ignore[call-arg]
