"""`.pt`: a plain dict of the net's text and its state dict. No code, no pickled classes."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from caffe2py.backends.provenance import provenance
from caffe2py.backends.torch.run import runner
from caffe2py.backends.torch.source import program
from caffe2py.backends.torch.state import save, state_dict
from caffe2py.errors import FileError, WeightError
from caffe2py.graph import Graph
from caffe2py.graph.build import build
from caffe2py.proto.disk.files import written_whole
from caffe2py.proto.filter import without_rules
from caffe2py.proto.net import parse_net
from caffe2py.proto.text.writer import format_net

FORMAT = "caffe2py/1"
STYLE = "flat"


def write(graph: Graph, path: Path) -> list[Path]:
    """Write the net and its weights; `load_torch` reads them back, and so does `torch.load(weights_only=True)`."""
    held = {
        "format": FORMAT,
        "prototxt": format_net(without_rules(graph.net)) if graph.net is not None else "",
        "state_dict": state_dict(program(graph, STYLE)),
        "metadata": {
            **provenance(graph),
            "inputs": {blob: list(shape) if shape is not None else None for blob, shape in graph.inputs.items()},
            "outputs": list(graph.outputs),
        },
    }
    with written_whole(path) as temporary:
        save(held, temporary)
    return [path]


def load_torch(path: str | os.PathLike[str]) -> torch.nn.Module:
    """The module that `convert -o net.pt` wrote, in eval mode.

    Raises `FileError` where the file is missing, or is no such `.pt`; nothing in it is ever run as code.
    """
    graph, state = read(path)
    return runner(graph, STYLE, state=state).module


def read(path: str | os.PathLike[str]) -> tuple[Graph, dict[str, torch.Tensor]]:
    """The net (without weights in its graph) and the state dict of a `.pt`."""
    name = os.fspath(path)
    wish = "want a .pt that caffe2py wrote"
    try:
        held: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise FileError((error.strerror or str(error)).lower(), name) from None
    except (RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile, EOFError, ValueError, KeyError):
        raise FileError(f"cannot be read as a plain torch file; {wish}", name) from None
    if not isinstance(held, dict) or held.get("format") != FORMAT:
        raise FileError(f'is no "{FORMAT}" file; {wish}', name)
    metadata = held["metadata"]
    net = parse_net(held["prototxt"], name)
    inputs = {blob: tuple(shape) for blob, shape in metadata["inputs"].items() if shape is not None}
    graph = build(net, phase=metadata["phase"], inputs=inputs, ignore_unknown_fields=True)  # as it was when written
    state: dict[str, torch.Tensor] = held["state_dict"]
    wanted = program(graph, STYLE).bindings
    if set(wanted) != set(state):
        odd = sorted(set(wanted) ^ set(state))[0]
        raise WeightError(f'its state dict and its net differ at "{odd}"; the file was changed', name)
    return graph, state
