"""Drop the layers that change nothing: their readers read what they read."""

from __future__ import annotations

from dataclasses import replace

from caffe2py.graph import Graph, Value


def drop_idle_layers(graph: Graph) -> Graph:
    """Remove layers whose tops are their bottom (Split; Silence has no top at all).

    Given::

        a -> Split -> a1, a2        a1 -> ReLU -> b        a2 -> Pooling -> c

    Result::

        a -> ReLU -> b        a -> Pooling -> c
    """
    stands_for: dict[Value, Value] = {}
    nodes = []
    for node in graph.nodes:
        node = replace(node, bottoms=tuple(stands_for.get(v, v) for v in node.bottoms))
        if node.layer.idle and not any(node.loss_weights) and not any(node.stopped):
            stands_for.update(dict.fromkeys(node.tops, node.bottoms[0]))
        else:
            nodes.append(node)
    shapes = {v: s for v, s in graph.shapes.items() if v not in stands_for}
    results = tuple(stands_for.get(v, v) for v in graph.results)
    return replace(graph, nodes=tuple(nodes), shapes=shapes, results=results)
