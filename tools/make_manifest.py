"""Write a manifest of synthetic weights for a net: ranges that keep its activations of the size that training leaves.

Usage: python -m tools.make_manifest NET.prototxt OUT.json [--seed N]

Weights are uniform with variance 2 / inputs (He et al. 2015). The net is run once on white noise, layer by layer,
and every BatchNorm gets ranges around the mean and variance that its bottom really has there, kept as Caffe's sums
with a scale factor that is not 1. `tools/make_caffemodel.py` turns the manifest into a caffemodel.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import caffe2py
from caffe2py.backends.torch.run import runner
from caffe2py.backends.torch.source import program
from caffe2py.errors import CaffeError
from caffe2py.graph import Graph, Node, Value
from caffe2py.layers.base import count
from caffe2py.proto.disk.files import written_whole
from tools.make_caffemodel import draw

FACTOR = 999.982  # the scale factor that a long training leaves: the sum of 0.999^k

Blob = dict[str, Any]


def make_manifest(graph: Graph, seed: int = 2017) -> dict[str, Any]:
    """The manifest of a net's learned blobs, by layer, in Caffe's order."""
    blank = {key: torch.empty(b.blank().shape) for key, b in program(graph, "exact").bindings.items()}
    made = runner(graph, "exact", state=blank)
    keys = {(b.node.name, b.source): key for key, b in made.program.bindings.items()}
    state = made.module.state_dict()
    noise = np.random.RandomState(seed)
    inputs = {
        blob: torch.from_numpy(noise.uniform(-128, 128, shape or ()).astype(np.float32))
        for blob, shape in graph.inputs.items()
    }
    values: dict[Value, torch.Tensor] = {}
    layers = []
    steps = made.steps(inputs)
    with torch.no_grad():
        for node in graph.nodes:  # a layer's blobs are filled right before the layer runs
            blobs = _blobs(node, [values[v] for v in node.bottoms])
            for index, blob in enumerate(blobs):
                parts = list(draw(blob, f"{seed}/{node.name}/{index}"))
                array = np.concatenate(parts).reshape(blob["shape"]).astype(np.float32)
                state[keys[node.name, index]].copy_(torch.from_numpy(array))
            if blobs:
                layers.append({"name": node.name, "type": node.type, "blobs": blobs})
            _, tops = next(steps)
            values.update(zip(node.tops, tops, strict=True))
            for v in node.bottoms:
                if graph.readers[v][-1] is node:
                    values.pop(v)
    return {"seed": seed, "net": graph.name, "layers": layers}


def _blobs(node: Node, bottoms: Sequence[torch.Tensor]) -> list[Blob]:
    """The blobs of one layer, for the bottoms it has."""
    shapes = [list(w.shape) for w in node.weights]
    if not shapes:
        return []
    if node.type == "BatchNorm":
        mean, variance = float(bottoms[0].mean()), float(bottoms[0].var())
        spread = 0.3 * math.sqrt(variance)
        return [
            _range(shapes[0], (mean - spread) * FACTOR, (mean + spread) * FACTOR),
            _range(shapes[1], 0.5 * variance * FACTOR, 1.5 * variance * FACTOR),
            _range(shapes[2], FACTOR, FACTOR),
        ]
    if node.type == "Scale":
        return [_range(shapes[0], 0.6, 1.4), *(_range(s, -0.3, 0.3) for s in shapes[1:])]
    bound = math.sqrt(6 / max(count(tuple(shapes[0]), 1), 1)) if len(shapes[0]) > 1 else 0.3
    return [_range(shapes[0], -bound, bound), *(_range(s, -0.1, 0.1) for s in shapes[1:])]


def _range(shape: list[int], low: float, high: float) -> Blob:
    return {"shape": shape, "low": float(f"{low:.4g}"), "high": float(f"{high:.4g}")}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write a manifest of synthetic weights for a net.")
    parser.add_argument("prototxt", type=Path)
    parser.add_argument("out", type=Path, help="the manifest to write")
    parser.add_argument("--seed", type=int, default=2017, help="the manifest's seed (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        made = make_manifest(caffe2py.load(options.prototxt), options.seed)
        with written_whole(options.out) as temporary:
            temporary.write_text(json.dumps(made, indent=0) + "\n", encoding="utf-8")
    except CaffeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
