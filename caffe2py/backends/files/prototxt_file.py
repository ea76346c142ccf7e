"""`.prototxt`: the net as text in today's format, with its weights beside it as `.caffemodel`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from caffe2py.backends.convert import beside
from caffe2py.backends.files.caffe_file import save
from caffe2py.graph import Graph
from caffe2py.version import __version__


def write(graph: Graph, path: Path) -> list[Path]:
    """Write `net.prototxt`, and `net.caffemodel` where the net has weights."""
    (weights,) = beside(path)
    with_weights = any(w.data is not None for _, _, w in graph.owned_weights())
    if graph.net is not None:
        source = Path(graph.net.file).name
        said = (f"Written by caffe2py {__version__} from {source}.", *graph.net.head)
        graph = replace(graph, net=replace(graph.net, head=said))
    save(graph, path, weights if with_weights else None)
    return [path, weights] if with_weights else [path]
