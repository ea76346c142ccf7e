"""The recorded cases of single layers: what Caffe was given, what it made, forward and backward."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache

import h5py
import numpy as np

from caffe2py.graph import Graph
from caffe2py.graph.build import build
from caffe2py.layers.base import find_layer
from caffe2py.proto.filter import filter_net
from caffe2py.proto.net import parse_net
from caffe2py.proto.weights.caffemodel import parse_weights
from tests.helpers.reference import found

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """One net that was run in Caffe. Arrays are by blob, parameters by "layer/index"."""

    id: str
    prototxt: str
    phase: str
    stages: tuple[str, ...]
    layers: list[tuple[str, str]]  # after Caffe put its Split layers in
    outputs: list[str]
    caffemodel: bytes
    inputs: Arrays
    tops: Arrays
    top_diff: Arrays = field(default_factory=dict)
    in_diff: Arrays = field(default_factory=dict)
    param_diff: Arrays = field(default_factory=dict)
    param_after: Arrays = field(default_factory=dict)

    def graph(self) -> Graph:
        net = filter_net(parse_net(self.prototxt, f"{self.id}.prototxt"), phase=self.phase, level=0, stages=self.stages)
        return build(net, parse_weights(self.caffemodel, f"{self.id}.caffemodel"), phase=self.phase)

    def runs_backward(self) -> bool:
        """Whether Caffe runs layers backward: where a net has a loss, or forces it to."""
        graph = self.graph()
        assert graph.net is not None
        return graph.net.message.force_backward or any(w for n in graph.nodes for w in n.loss_weights)


@cache
def cases(pattern: str) -> list[Case]:
    """Every case of the recorded files that a pattern finds: `layers/*`, `forks/Flip`."""
    made = []
    for path in found(f"{pattern}.h5"):
        with h5py.File(path) as file:
            made += [_case(f"{path.stem}-{name}", group) for name, group in file.items()]
    return made


def layer_cases() -> list[Case]:
    """The recorded cases of all layers that are known: Caffe's own, and the forks'."""
    return [*cases("layers/*"), *(c for c in cases("forks/*") if all(find_layer(type_) for _, type_ in c.layers))]


def random_cases() -> list[Case]:
    """Every ninth of the random nets of forks' layers."""
    return cases("forks_random/*")[::9]


def _case(id_: str, group: h5py.Group) -> Case:
    return Case(
        id=id_,
        prototxt=str(group.attrs["prototxt"]),
        phase=str(group.attrs["phase"]),
        stages=tuple(json.loads(group.attrs["stages"])),
        layers=[(n, t) for n, t in json.loads(group.attrs.get("layers", "[]"))],
        outputs=json.loads(group.attrs["outputs"]),
        caffemodel=bytes(group["caffemodel"][()]),
        inputs=_arrays(group, "in"),
        tops=_arrays(group, "out"),
        top_diff=_arrays(group, "top_diff"),
        in_diff=_arrays(group, "in_diff"),
        param_diff=_arrays(group, "param_diff"),
        param_after=_arrays(group, "param_after"),
    )


def _arrays(group: h5py.Group, key: str) -> Arrays:
    found: Arrays = {}
    if key in group:

        def add(name: str, held: h5py.Dataset | h5py.Group) -> None:
            if isinstance(held, h5py.Dataset):
                found[name] = np.asarray(held[()])

        group[key].visititems(add)
    return found


def relative(ours: np.ndarray, reference: np.ndarray) -> float:
    """max |ours - reference| / max |reference|; NaN equal to NaN, an infinity to itself."""
    assert ours.shape == reference.shape, f"shape {ours.shape}, Caffe has {reference.shape}"
    if not reference.size:
        return 0.0
    equal = (ours == reference) | (np.isnan(ours) & np.isnan(reference))
    scale = np.abs(reference[np.isfinite(reference)]).max(initial=0.0)
    difference = np.abs(np.where(equal, 0.0, ours).astype(np.float64) - np.where(equal, 0.0, reference)).max()
    return float(np.nan_to_num(difference / (scale or 1.0), nan=np.inf, posinf=np.inf))
