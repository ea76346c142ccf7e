"""What the net itself says: inputs, preprocessing, outputs, size. Plain values, for the card and for config.json."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from caffe2py.backends.preprocessing import preprocessing
from caffe2py.backends.torch.writing.text import class_name
from caffe2py.graph import Graph
from caffe2py.layers.base import Shape
from caffe2py.version import __version__


@dataclass(frozen=True)
class Facts:
    """A net in numbers. `classes` is the width of its one output where that is a row of scores; else None."""

    net: str
    phase: str
    inputs: dict[str, Shape | None]
    outputs: dict[str, Shape | None]
    classes: int | None
    preprocessing: dict[str, str]
    layers: int
    parameters: int
    multiply_adds: int
    uncounted: int  # layers whose multiply-adds are not known
    types: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def facts_of(graph: Graph) -> Facts:
    """The facts of a graph."""
    total = graph.totals()
    outputs = dict(zip(graph.outputs, graph.shapes_of(graph.results), strict=True))
    found = preprocessing(graph)
    return Facts(
        net=graph.name,
        phase=graph.phase,
        inputs=dict(graph.inputs),
        outputs=outputs,
        classes=_classes(list(outputs.values())),
        preprocessing=found.words() if found else {},
        layers=total.layers,
        parameters=total.parameters,
        multiply_adds=total.multiply_adds,
        uncounted=total.unknown,
        types=tuple(sorted({node.type for node in graph.nodes})),
    )


def config(facts: Facts, labels: tuple[str, ...] = ()) -> dict[str, Any]:
    """`config.json`: what a loader needs to know, in the keys that Hugging Face knows, and the net's own facts."""
    said: dict[str, Any] = {
        "format": "caffe2py-config/1",
        "model_type": "caffe2py",
        "architectures": [class_name(facts.net)],
        "torch_dtype": "float32",
        "weights": "model.safetensors",
        "source": "model.py",
        "made_by": f"caffe2py {__version__}",
        **facts.plain(),
    }
    if labels and len(labels) == facts.classes:
        said |= {"num_labels": len(labels), "id2label": {str(i): label for i, label in enumerate(labels)}}
    return said


def _classes(shapes: list[Shape | None]) -> int | None:
    """(N, C), (C,) or (N, C, 1, 1) as C."""
    if len(shapes) != 1 or shapes[0] is None or len(shapes[0]) < 2:
        return None
    _, classes, *rest = shapes[0]
    return classes if classes > 1 and all(d == 1 for d in rest) else None
