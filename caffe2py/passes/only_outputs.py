"""Keep what leads to chosen values, and make those the outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from caffe2py.graph import Graph, Value


def only_outputs(graph: Graph, values: Sequence[Value]) -> Graph:
    """Drop every layer and every input that the chosen values do not need.

    Given (outputs: prob, loss), and chosen: fc::

        data -> InnerProduct -> fc        fc -> Softmax -> prob        fc, label -> SoftmaxWithLoss -> loss

    Result (outputs: fc)::

        data -> InnerProduct -> fc
    """
    needed = set(values)
    kept = []
    for node in reversed(graph.nodes):
        if needed.intersection(node.tops):
            needed.update(node.bottoms)
            tops = node.tops if not node.layer.is_input else tuple(v for v in node.tops if v in needed)
            kept.append(replace(node, tops=tops))
    nodes = tuple(reversed(kept))
    made = {v for node in nodes for v in node.tops}
    return replace(
        graph,
        nodes=nodes,
        shapes={v: s for v, s in graph.shapes.items() if v in made},
        inputs={v.blob: graph.shapes[v] for node in nodes if node.layer.is_input for v in node.tops},
        outputs=tuple(v.blob for v in values),
        results=tuple(values),
    )
