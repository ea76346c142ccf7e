"""What an output says about where it came from."""

from __future__ import annotations

import os
from pathlib import Path

from caffe2py.backends.preprocessing import preprocessing
from caffe2py.graph import Graph
from caffe2py.proto.disk.digests import digest
from caffe2py.version import __version__


def provenance(graph: Graph) -> dict[str, str]:
    """Names and versions, as short strings; file names without their folders."""
    said = {"made_by": f"caffe2py {__version__}", "net": graph.name, "phase": graph.phase}
    if graph.net is not None and graph.net.file:
        said["prototxt"] = _file_name(graph.net.file)
    if graph.weights_file:
        said["caffemodel"] = _file_name(graph.weights_file)
    if graph.number_notes:
        said["notes"] = "\n".join(graph.number_notes)
    return said


def _file_name(path: str) -> str:
    """A file's name; bytes in it that are no UTF-8, which no format takes, as escapes."""
    return os.fsencode(Path(path).name).decode("utf-8", "backslashreplace")


def file_hashes(graph: Graph) -> dict[str, str]:
    """The sha256 of the files that the graph was loaded from, where they are still there."""
    files = {"prototxt_sha256": graph.net.file if graph.net else "", "caffemodel_sha256": graph.weights_file or ""}
    return {word: digest(file) for word, file in files.items() if file and Path(file).is_file()}


def metadata(graph: Graph) -> dict[str, str]:
    """All that a model file can say about its making: names, versions, hashes, and how its pictures are prepared."""
    found = preprocessing(graph)
    return provenance(graph) | file_hashes(graph) | (found.words() if found else {})
