"""A SENet for timm and Hugging Face: `model.safetensors` in timm's names, and `config.json` beside it.

`timm.create_model("local-dir:FOLDER", pretrained=True)` reads both. Source: timm's models/_hub.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from caffe2py.backends.convert import beside
from caffe2py.backends.files.safetensors_file import write_tensors
from caffe2py.backends.provenance import provenance
from caffe2py.frontends.senets.recognise import Timm, timm_weights
from caffe2py.graph import Graph
from caffe2py.proto.disk.files import written_whole


def write(graph: Graph, path: Path, turn: bool = True) -> list[Path]:
    """Write a folder, or of `OUT.safetensors` the weights alone. `turn`: as `timm_weights` has it."""
    found = timm_weights(graph, turn)
    metadata = {"format": "pt", **provenance(graph)}
    if path.suffix == ".safetensors":
        write_tensors(path, found.tensors, metadata)
        return [path]
    path.mkdir(exist_ok=True)
    config, weights = beside(path)
    write_tensors(weights, found.tensors, metadata)
    text = json.dumps(_config(found, graph), indent=2) + "\n"
    with written_whole(config) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return [config, weights]


def _config(found: Timm, graph: Graph) -> dict[str, Any]:
    words, deep = found.layout.words, len(found.layout.arch.stem) > 2
    cells = -(-found.size // 32)
    return {
        "architecture": found.layout.model,
        "num_classes": found.classes,
        "num_features": found.tensors[f"{words.classifier}.weight"].shape[1],
        "pretrained_cfg": {
            "tag": "caffe",
            "custom_load": False,
            "input_size": [3, found.size, found.size],
            "fixed_input_size": False,
            "interpolation": "bilinear",
            "crop_pct": 0.875,
            "crop_mode": "center",
            "mean": list(found.mean),
            "std": list(found.std),
            "num_classes": found.classes,
            "pool_size": [cells, cells],
            "first_conv": (words.deep if deep else words.stem)[0][0],
            "classifier": words.classifier,
        },
        "made_by": provenance(graph)["made_by"],
    }
