"""Back to Caffe: a prototxt and a caffemodel, blobs bit for bit."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from caffe2py.errors import CaffeError
from caffe2py.graph import Graph, Weight
from caffe2py.proto.dialects.encoding import blob_kind, message_of
from caffe2py.proto.disk.files import written_whole
from caffe2py.proto.filter import without_rules
from caffe2py.proto.text.prototxt import DIMS
from caffe2py.proto.text.writer import format_net
from caffe2py.proto.upgrade.back import in_format
from caffe2py.proto.weights.blobs import Blob
from caffe2py.proto.weights.caffemodel import write_caffemodel
from caffe2py.proto.weights.hdf5 import write_caffemodel_h5


def save(
    graph: Graph,
    prototxt: str | os.PathLike[str] | None = None,
    caffemodel: str | os.PathLike[str] | None = None,
    *,
    even_if_caffe_cannot_read_it: bool = False,
) -> None:
    """Write a graph back as Caffe files: the net as text, its weights as `.caffemodel` or `.h5`.

    The net is the one that was loaded: in today's format, or an older one that its target reads, and only the layers
    of its phase. In a caffemodel a fork's fields have the numbers that the fork gave them.
    `.h5` weights of layers with "/" in their names, which no Caffe can read, are written only
    `even_if_caffe_cannot_read_it`. Raises `CaffeError` for a graph that a pass has changed, `WeightError` where the
    weights are asked for and not there.
    """
    if graph.net is None:
        raise CaffeError(f'graph "{graph.name}" holds no net to write; save the graph that was loaded')
    net = without_rules(graph.net)
    written = in_format(net)
    if caffemodel is not None:
        layers = [node for node in graph.nodes if node.weights]
        if Path(caffemodel).suffix == ".h5":
            arrays = {node.key: node.blobs() for node in layers}
            settings = {"even_if_caffe_cannot_read_it": even_if_caffe_cannot_read_it}
            write_caffemodel_h5(caffemodel, message_of(net), arrays, **settings)
        else:
            sized = net.format.inputs == DIMS
            blobs = {
                node.key: [_blob(b, w, sized) for b, w in zip(node.blobs(), node.weights, strict=True)]
                for node in layers
            }
            write_caffemodel(caffemodel, message_of(written), blobs, blob_kind(net))
    if prototxt is not None:
        text = format_net(written)
        with written_whole(prototxt) as temporary:
            temporary.write_bytes(text.encode("utf-8"))


def write(graph: Graph, path: Path, *, even_if_caffe_cannot_read_it: bool = False) -> list[Path]:
    """Write the weights as `.caffemodel` or `.h5`."""
    save(graph, None, path, even_if_caffe_cannot_read_it=even_if_caffe_cannot_read_it)
    return [path]


def _blob(data: np.ndarray, weight: Weight, sized: bool) -> np.ndarray | Blob:
    """A blob as it is written: `sized`, with four sizes, before it had a shape of any number of axes."""
    if sized and data.ndim <= 4:
        return Blob(data.reshape((1,) * (4 - data.ndim) + data.shape), legacy=True, extra=weight.extra)
    return Blob(data, extra=weight.extra) if weight.extra else data
