"""What an output says about where it came from."""

from __future__ import annotations

from pathlib import Path

from caffe2py import __version__
from caffe2py.graph import Graph


def provenance(graph: Graph) -> dict[str, str]:
    """Names and versions, as short strings; file names without their folders."""
    said = {"made_by": f"caffe2py {__version__}", "net": graph.name, "phase": graph.phase}
    if graph.net is not None and graph.net.file:
        said["prototxt"] = Path(graph.net.file).name
    if graph.weights_file:
        said["caffemodel"] = Path(graph.weights_file).name
    return said
