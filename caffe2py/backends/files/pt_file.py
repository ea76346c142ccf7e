"""`.pt`: a plain dict of the net's text and its state dict. No code, no pickled classes."""

from __future__ import annotations

from pathlib import Path

from caffe2py.backends.provenance import provenance
from caffe2py.backends.torch.source import program
from caffe2py.backends.torch.state import state_dict
from caffe2py.backends.torch.torch_file import save
from caffe2py.graph import Graph
from caffe2py.proto.disk.files import written_whole
from caffe2py.proto.filter import without_rules
from caffe2py.proto.text.writer import format_net

FORMAT = "caffe2py/1"
FIRST = "flat"  # the style of files that say none


def write(graph: Graph, path: Path) -> list[Path]:
    """Write the net and its weights; `load_torch` reads them back, and so does `torch.load(weights_only=True)`."""
    made = program(graph)
    held = {
        "format": FORMAT,
        "style": made.style,
        "layers": made.layers(),
        "prototxt": format_net(without_rules(graph.net)) if graph.net is not None else "",
        "state_dict": state_dict(made),
        "metadata": {
            **provenance(graph),
            "inputs": {blob: list(shape) if shape is not None else None for blob, shape in graph.inputs.items()},
            "outputs": list(graph.outputs),
        },
    }
    with written_whole(path) as temporary:
        save(held, temporary)
    return [path]
