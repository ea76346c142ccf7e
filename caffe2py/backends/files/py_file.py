"""`.py`: the net as source that imports torch alone, with its weights beside it as `.pth`."""

from __future__ import annotations

from pathlib import Path

from caffe2py.backends.convert import beside
from caffe2py.backends.torch.source import DEFAULT, program
from caffe2py.backends.torch.state import state_dict
from caffe2py.backends.torch.torch_file import save
from caffe2py.graph import Graph
from caffe2py.proto.disk.files import written_whole


def write(graph: Graph, path: Path, style: str = DEFAULT) -> list[Path]:
    """Write `net.py` and `net.pth`; `net.load()` in the first reads the second."""
    (weights,) = beside(path)
    made = program(graph, style, weights.name)
    state = state_dict(made)
    with written_whole(path) as source, written_whole(weights) as stored:
        source.write_text(made.source, encoding="utf-8")
        save(state, stored)
    return [path, weights]
