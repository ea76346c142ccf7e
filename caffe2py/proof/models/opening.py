"""The model to verify, told by its suffix."""

from __future__ import annotations

import os
from pathlib import Path

from caffe2py.backends.torch.device import find_device
from caffe2py.errors import FileError
from caffe2py.graph import Graph
from caffe2py.proof.models.foreign import ForeignModel
from caffe2py.proof.models.model import Model, TorchModel


def open_model(
    graph: Graph, model: str | os.PathLike[str] | None = None, style: str = "exact", device: str = "cpu"
) -> Model:
    """The model to verify, on a device: the graph's own module in one style, or a converted file, told by its suffix.

    An `.onnx` runs in onnxruntime, and needs one that knows the device. The values of one that caffe2py has not
    written, and of a `.pt2`, have other names: `ForeignModel.matched` finds them.
    """
    where = find_device(device)
    if model is None:
        return TorchModel(f"torch, {style}", graph, style, device=where)
    path = Path(model)
    if path.suffix == ".pt":
        from caffe2py.backends.files.pt_reading import read

        source, style, state = read(path)
        return TorchModel(path.name, source, style, state, device=where)
    if path.suffix == ".py":
        from caffe2py.proof.models.py_model import read_py

        return read_py(graph, path, where)
    if path.suffix == ".onnx":
        from caffe2py.proof.models.onnx_model import OnnxModel, opened

        session, ends, is_ours = opened(path, where)
        if is_ours:
            return OnnxModel(path.name, graph, path, session, where)
        from caffe2py.proof.models.foreign_files import OnnxRuns

        return ForeignModel(path.name, graph, OnnxRuns(path, session, ends), where)
    if path.suffix == ".pt2":
        from caffe2py.proof.models.foreign_files import ExportedRuns

        return ForeignModel(path.name, graph, ExportedRuns(path), where)
    raise FileError(f'cannot verify a file with the suffix "{path.suffix}"; want .pt, .pt2, .py or .onnx', str(model))
