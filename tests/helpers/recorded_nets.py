"""The whole nets of the reference: files, the weights that Caffe ran them with, and what it made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from caffe2py.graph import Graph, Value
from tests.helpers.layer_cases import REFERENCE, Arrays, relative
from tools.make_caffemodel import make_caffemodel


@dataclass(frozen=True)
class RecordedNet:
    """A net that was run in Caffe."""

    id: str
    prototxt: Path
    weights: Path  # a caffemodel, or the manifest of one
    dump: Path

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
        with h5py.File(self.dump) as file:
            layers = {layer.attrs["name"]: layer for layer in file["layer"].values()}
            return {
                str(v): _error(values[v], layers[node.name][f"top{i}"])
                for node in graph.nodes
                for i, v in enumerate(node.tops)
                if v in values and node.name in layers
            }


def _error(value: np.ndarray, stored: h5py.Group | h5py.Dataset) -> float:
    if isinstance(stored, h5py.Dataset):
        return relative(value, stored[()])
    assert value.shape == tuple(stored.attrs["shape"])
    return relative(value.reshape(-1)[stored["index"][()]], stored["value"][()])


def recorded_nets(folder: str) -> list[RecordedNet]:
    """The nets of one folder: tiny, mtcnn, zoo or senet."""
    found = []
    if folder == "senet":
        for place in sorted(p.parent for p in (REFERENCE / folder).glob("*/weights.json")):
            prototxt = place.parent / "original" / f"{place.name}.prototxt"
            found.append(RecordedNet(place.name, prototxt, place / "weights.json", place / "reference.h5"))
        return found
    for prototxt in sorted((REFERENCE / folder).glob("*.prototxt")):
        manifest = prototxt.with_suffix(".weights.json")
        weights = manifest if manifest.exists() else prototxt.with_suffix(".caffemodel")
        id_ = f"tiny-{prototxt.stem}" if folder == "tiny" else prototxt.stem
        found.append(RecordedNet(id_, prototxt, weights, prototxt.with_suffix(".h5")))
    return found
