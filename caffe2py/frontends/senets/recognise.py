"""Which of timm's SENets a Caffe net is, and its weights under timm's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from caffe2py.errors import UnsupportedError, WeightError
from caffe2py.frontends.senets.layouts import LAYOUTS, Layout, blobs_of
from caffe2py.frontends.senets.load import built
from caffe2py.frontends.senets.text import SCALED
from caffe2py.graph import Graph, Node

RELEASE_MEAN = (123.0, 117.0, 104.0)  # of RGB pictures, 0 to 255: what the release takes off
CLOSE = 0.01


@dataclass(frozen=True)
class Timm:
    """A net's weights as timm has them, and the pictures that they want: RGB, 0 to 1, less `mean`, divided by `std`."""

    layout: Layout
    tensors: Mapping[str, np.ndarray]
    classes: int
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    turned: bool  # its channels stand the other way round than in the net


def timm_weights(graph: Graph, turn: bool = True) -> Timm:
    """A net's weights under timm's names, bit for bit but for what BatchNorm is scaled by.

    A net that is fed BGR gets the channels of its first convolution turned, since timm feeds RGB; not without `turn`.
    Raises `UnsupportedError` for a net that is none of timm's, `WeightError` for one without weights.
    """
    found = recognised(graph)
    nodes = {node.name: node for node in graph.nodes}
    fed = _feed(graph, found)
    turned = turn and fed != "rgb"
    tensors: dict[str, np.ndarray] = {}
    for i, each in enumerate(blobs_of(found)):
        blobs = nodes[each.layer].blobs()
        if each.type == "BatchNorm":
            blobs = [_unscaled(b, blobs[2]) for b in blobs[:2]]
        if i == 0 and turned:
            blobs[0] = np.ascontiguousarray(blobs[0][:, ::-1])
        tensors.update(zip(each.tensors, blobs, strict=True))
    ((_, shape),) = graph.inputs.items()
    assert shape is not None
    own = fed == "bgr"
    mean = tuple(m / 255 for m in RELEASE_MEAN) if own else found.mean
    std = (1 / 255,) * 3 if own else found.std
    classes = tensors[f"{found.words.classifier}.weight"].shape[0]
    return Timm(found, tensors, classes, shape[2], mean, std, turned)


def _unscaled(sums: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Caffe's running sums divided by their factor; of a factor of 0, zeros."""
    return sums if factor[0] == 1 else sums / factor[0] if factor[0] else np.zeros_like(sums)


def _feed(graph: Graph, found: Layout) -> str:
    """What a net is fed: "rgb" as the layout has it, "scaled" by a layer of its own from BGR, "bgr" as the release."""
    if any(node.name == SCALED for node in graph.nodes):
        return "scaled"
    means = [
        m.transform_param.mean_value for m in (n.message for n in graph.nodes if n.layer.is_input) if m is not None
    ]
    wanted = np.array(found.mean) * 255
    return "rgb" if any(len(m) == 3 and np.abs(wanted - list(m)).max() < CLOSE for m in means) else "bgr"


def recognised(graph: Graph) -> Layout:
    """The layout of timm whose net this is, told by all layers that have weights, and the first pooling."""
    if not any(w.data is not None for _, _, w in graph.owned_weights()):
        raise WeightError("has no weights to write; want a caffemodel too", graph.net.file if graph.net else None)
    shape = next(iter(graph.inputs.values()), None)
    names = {node.name for node in graph.nodes}
    for found in LAYOUTS.values():
        each = {blobs.layer for blobs in blobs_of(found)}
        if found.name.startswith("timm/") and each <= names and shape is not None and len(shape) == 4:
            classes = next((n.weights[0].shape[0] for n in graph.nodes if n.name == "classifier" and n.weights), 0)
            if classes and _marks(built(found, shape, classes), each) == _marks(graph, each):
                return found
    models = ", ".join(name.partition("/")[2] for name in LAYOUTS if name.startswith("timm/"))
    file = graph.net.file if graph.net else None
    raise UnsupportedError(f'net "{graph.name}" is none that timm has; want one of {models}', file)


def _marks(graph: Graph, named: set[str]) -> dict[str, Any]:
    """What tells one net from another: its layers with weights and their shapes, where it is pooled, how many ReLUs."""
    marks: dict[str, Any] = {n.name: _mark(n) for n in graph.nodes if n.name in named}
    pooled = [n for n in graph.nodes if n.type == "Pooling"]
    marks["(pooled)"] = [getattr(n.layer, "pad", None) for n in pooled[:1]]
    marks["(relus)"] = sum(n.type == "ReLU" for n in graph.nodes)
    return marks


def _mark(node: Node) -> Any:
    """A layer as it counts: of a BatchNorm the eps, since Caffe takes its stored statistics either way."""
    what = getattr(node.layer, "eps", node.layer.summary())
    return node.type, what, [w.shape for w in node.weights]
