"""Recording our own activations, in the format that the recorder for Caffe writes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from caffe2py.backends.torch.device import find_device, full_float32
from caffe2py.backends.torch.run import input_tensors, lean_runner
from caffe2py.errors import NetError
from caffe2py.graph import Graph
from caffe2py.proof.dumps.binding import shaped_as
from caffe2py.proof.dumps.reading import LayerDump, open_dump
from caffe2py.proof.dumps.writing import write_dump
from caffe2py.proto.disk.digests import digest
from caffe2py.proto.disk.files import says
from caffe2py.proto.disk.numpy_files import NPY, read_npy

Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]


def record(
    graph: Graph,
    inputs: Mapping[str, Any],
    path: str | os.PathLike[str],
    samples: int | None = None,
    *,
    device: str = "cpu",
    progress: Progress | None = None,
) -> None:
    """Run a net once and write every layer's tops to `path`, as `caffe-activations/1`.

    `inputs` are arrays by blob; their shapes are those of inputs that no file tells. `samples` keeps at most so many
    values of each top, and statistics of all. Layers are written as they run: memory holds what the net itself needs.
    `device` and errors as in `caffe2py.run`.
    """
    where = find_device(device)
    graph = shaped_as(graph, {blob: np.shape(array) for blob, array in inputs.items()})
    made = lean_runner(graph, "exact", device=where)
    tensors = input_tensors(graph, inputs, torch.float32, where)
    text = graph.net.text if graph.net is not None else ""
    with (
        write_dump(path, samples, net=graph.name, phase=graph.phase, prototxt=text) as writer,
        torch.no_grad(),
        full_float32(),
    ):
        for blob, tensor in tensors.items():
            writer.input(blob, tensor.cpu().numpy())
        steps: Iterable[Any] = made.steps(tensors)
        for node, tops in progress(steps, "recording", len(graph.nodes)) if progress else steps:
            if not node.layer.is_input:
                bottoms, blobs = ([v.blob for v in values] for values in (node.bottoms, node.tops))
                writer.layer(node.name, node.type, bottoms, blobs, [top.cpu().numpy() for top in tops])
        writer.say(caffemodel_sha256=_sha256(graph.weights_file))  # last: it may be on its way in another thread


def noise(graph: Graph, seed: int = 1) -> dict[str, np.ndarray]:
    """Seeded inputs of the net's own shapes: uniform from -128 to 128, as images less their mean are.

    Raises `NetError` where an input has no shape.
    """
    draw = np.random.RandomState(seed)
    made = {}
    for blob, shape in graph.inputs.items():
        if shape is None:
            raise NetError(f'input "{blob}" of net "{graph.name}" has no known shape; give it with the input')
        made[blob] = draw.uniform(-128, 128, shape).astype(np.float32)
    return made


def read_inputs(graph: Graph, path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """A net's inputs from a file: those of a dump, an `.npz` or `.h5` of {input: array}, or one `.npy`.

    Raises `FileError` for a file of another kind, `NetError` where an input is not in it.
    """
    if says(path, NPY, len(NPY)):
        if len(graph.inputs) != 1:
            said = ", ".join(graph.inputs)
            raise NetError(
                f'net "{graph.name}" has the inputs {said}; want an .npz of {{input: array}}', os.fspath(path)
            )
        return {blob: read_npy(Path(path)) for blob in graph.inputs}
    with open_dump(path) as dump:
        stored = dump.inputs if isinstance(dump, LayerDump) else dump.arrays
        missing = [blob for blob in graph.inputs if blob not in stored]
        if missing:
            raise NetError(f'holds no "{missing[0]}", an input of net "{graph.name}"', os.fspath(path))
        return {blob: stored[blob]() for blob in graph.inputs}


def _sha256(path: str | None) -> str:
    if path is None or not os.path.isfile(path):
        return ""
    return digest(path)
