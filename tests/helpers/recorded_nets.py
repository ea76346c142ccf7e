"""The whole nets of the reference: files, the weights that Caffe ran them with, and what it made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np

from caffe2py.graph import Graph, Value
from tests.helpers.layer_cases import Arrays, relative
from tests.helpers.reference import found, reference, room
from tools.make_caffemodel import make_caffemodel
from tools.make_prototxt import build

MODELS = Path(__file__).resolve().parents[2] / "models" / "prototxt"


@dataclass(frozen=True)
class RecordedNet:
    """A net that was run in Caffe."""

    id: str
    prototxt: Path
    weights: Path  # a caffemodel, or the manifest of one
    record: str  # the dump's name below the reference data

    @property
    def dump(self) -> Path:
        return reference(self.record)

    def caffemodel(self, folder: Path) -> Path:
        """Its caffemodel; a synthetic one is made in `folder`."""
        if self.weights.suffix != ".json":
            return self.weights
        made = folder / f"{self.id}.caffemodel"
        make_caffemodel(json.loads(self.weights.read_text()), made)
        return made

    def inputs(self) -> Arrays:
        with h5py.File(self.dump) as file:
            return {blob: stored[()] for blob, stored in file["input"].items()}

    def errors(self, graph: Graph, values: Mapping[Value, np.ndarray]) -> dict[str, float]:
        """How far each value is from what Caffe had after the layer that makes it, at the places that were recorded."""
        errors = {}
        with h5py.File(self.dump) as file:
            layers: dict[str, list[h5py.Group]] = {}  # several may bear one name; both sides have Caffe's order
            for key in sorted(file["layer"]):
                layers.setdefault(file["layer"][key].attrs["name"], []).append(file["layer"][key])
            for node in graph.nodes:
                layer = layers[node.name].pop(0) if node.name in layers else {}
                held = {v: layer[f"top{i}"] for i, v in enumerate(node.tops) if f"top{i}" in layer}
                errors |= {str(v): _error(values[v], stored) for v, stored in held.items() if v in values}
        return errors


def _error(value: np.ndarray, stored: h5py.Group | h5py.Dataset) -> float:
    if isinstance(stored, h5py.Dataset):
        return relative(value, stored[()])
    assert value.shape == tuple(stored.attrs["shape"])
    return relative(value.reshape(-1)[stored["index"][()]], stored["value"][()])


def recorded_nets(folder: str) -> list[RecordedNet]:
    """The nets of one folder: tiny, mtcnn, zoo or senet. Those whose prototxt or weights nobody has are left out."""
    if folder == "senet":
        return [
            RecordedNet(path.parent.name, prototxt, path, f"senet/{path.parent.name}/reference.h5")
            for path in found("senet/*/weights.json")
            for prototxt in _released(path.parent.name)
        ]
    if folder == "tiny" and (manifests := found("tiny/*.weights.json")):
        prototxts = [_tiny(path.name.removesuffix(".weights.json")) for path in manifests]
    else:
        prototxts = found(f"{folder}/*.prototxt")
    nets = []
    for prototxt in prototxts:
        stem = f"{folder}/{prototxt.stem}"
        id_ = f"tiny-{prototxt.stem}" if folder == "tiny" else prototxt.stem
        for weights in [*found(f"{stem}.weights.json"), *found(f"{stem}.caffemodel")][:1]:
            nets.append(RecordedNet(id_, prototxt, weights, f"{stem}.h5"))
    return nets


def _released(name: str) -> list[Path]:
    ours = MODELS / f"{name}.prototxt"
    return [ours] if ours.exists() else found(f"senet/original/{name}.prototxt")


def _tiny(name: str) -> Path:
    """One of the nets of the release at an eighth of its width, of images of 64 x 64, with ten classes."""
    path = room() / "tiny" / f"{name}.prototxt"
    path.parent.mkdir(exist_ok=True)
    path.write_text(build(name, Fraction(1, 8), 64, 10))
    return path


def prototxts() -> dict[str, Path]:
    """Every net there is, by folder and name: ours, and of other people's those that lie in the reference data."""
    nets = {f"ours-{path.stem}": path for path in sorted(MODELS.glob("*.prototxt"))}
    nets |= {net.id: net.prototxt for net in recorded_nets("tiny")}
    for folder in ("zoo", "mtcnn", "senet/original"):
        nets |= {f"{folder}-{path.stem}": path for path in found(f"{folder}/*.prototxt")}
    return nets
