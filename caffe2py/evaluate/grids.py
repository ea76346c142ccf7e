"""DetectNet: a detector that ends in ClusterDetections, the boxes that the cells of a grid agree on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from caffe2py.backends.optimized import optimized
from caffe2py.evaluate.network import Engine
from caffe2py.evaluate.pictures.preprocessing import Preprocessing
from caffe2py.evaluate.two_stages import fed, plain
from caffe2py.graph import Graph
from caffe2py.graph.node import Node
from caffe2py.layers.detection.outputs.cluster_detections import ClusterDetections
from caffe2py.passes import only_outputs


def clusters_of(graph: Graph) -> Node | None:
    """The layer that makes boxes of a grid, None where the net does not end in one such."""
    found = [n for n in graph.nodes if isinstance(n.layer, ClusterDetections) and set(n.tops) <= set(graph.results)]
    return found[0] if len(found) == 1 else None


def finder(graph: Graph, node: Node, how: Preprocessing, engine: Engine) -> Callable[[np.ndarray], np.ndarray]:
    """A function of pixels (1, H, W, channels) that gives rows (0, class, confidence, box), boxes in shares of it."""
    plain(engine, "a net that makes boxes of a grid")
    run = optimized(only_outputs(graph, list(node.tops)), backend=engine.backend, device=engine.device)

    def find(pixels: np.ndarray) -> np.ndarray:
        size = np.array([*pixels.shape[2:0:-1]] * 2)
        made = run(fed(pixels, how))
        rows = [np.zeros((0, 7))]
        for label, top in enumerate(made if isinstance(made, tuple) else (made,)):
            boxes = top[0][top[0, :, 4] > 0]
            rows += [np.array([0, label, box[4], *box[:4] / size])[None] for box in boxes]
        return np.concatenate(rows)

    return find
