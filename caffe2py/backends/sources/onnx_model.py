"""An `.onnx` file as a net of Caffe's, and whether that is right: our run of it against onnxruntime on the file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from caffe2py.backends.onnx.check import BAR, HALF_BAR, OnnxCheck, check_made, openable, refusals, relative_difference
from caffe2py.backends.onnx.model import to_onnx
from caffe2py.errors import CheckError
from caffe2py.frontends.caffe.targets import Target
from caffe2py.frontends.caffe.targets import target as named
from caffe2py.frontends.onnx import translate
from caffe2py.graph import Graph
from caffe2py.layers.base import Shape

SEED = 2018
ROUNDING = 4  # times our own rounding may be theirs, which adds in another order
LARGEST = 2.0  # of pictures whose values have a deviation of about 1, as nets of today are fed
TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}


def load_onnx(
    path: str | os.PathLike[str],
    *,
    inputs: Mapping[str, Shape] | None = None,
    target: Target | str | None = None,
    dialect: str | None = None,
    axpy: bool = False,
) -> Graph:
    """Read an ONNX model as a graph of Caffe's layers.

    Shapes are Caffe's, fixed: a free first axis of an input becomes 1, every other free one is told by `inputs`.
    `target` is the name of the Caffe that must read the net; `dialect` that of a fork whose own layers may be used too:
    SSD's DetectionOutput and SegNet's Upsample are found again in what this package writes of them. With `axpy` a gated
    sum becomes the SENet release's layer. Raises `UnsupportedError`, which lists every operator that Caffe cannot say
    exactly, `FileError` for what is no model.
    """
    return translate.load_onnx(path, inputs=inputs, target=named(target, dialect), axpy=axpy, write=to_onnx)


def check_source(graph: Graph, source: Path) -> OnnxCheck:
    """Run the graph, and the model that it was made of, on a seeded input.

    Raises `CheckError` where an output differs by more than rounding explains, onnxruntime does not load the model, or
    the check cannot be made.
    """
    with check_made(Path(graph.net.file) if graph.net else None):
        return _checked(graph, source)


def _checked(graph: Graph, source: Path) -> OnnxCheck:
    try:
        import onnxruntime
    except ImportError:
        return OnnxCheck(None)
    from caffe2py.backends.torch.run import run

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    with refusals(source):
        session = onnxruntime.InferenceSession(openable(source), options, providers=["CPUExecutionProvider"])
        feed = _feed(session.get_inputs(), graph)
        theirs = session.run(None, feed)
    given = {name: x.astype(np.float32) for name, x in feed.items()}
    ours = run(graph, given)
    names = [o.name for o in session.get_outputs()]
    found = [(relative_difference(ours[n], np.asarray(t)), n) for n, t in zip(names, theirs, strict=True)]
    worst, output = max(found, default=(0.0, ""))
    half = any(x.dtype == np.float16 for x in [*feed.values(), *map(np.asarray, theirs)])
    if worst > (HALF_BAR if half else BAR) and worst > ROUNDING * _rounding(graph, given, ours):
        fact = f'output "{output}" differs from onnxruntime on {source.name} by {worst:.1e} of its largest value'
        raise CheckError(f"{fact}; want at most {HALF_BAR if half else BAR:.0e}", graph.net.file if graph.net else None)
    return OnnxCheck(worst, output)


def _rounding(graph: Graph, given: dict[str, np.ndarray], ours: dict[str, np.ndarray]) -> float:
    """By how much float32 alone moves the outputs, which in a deep net may be far."""
    from caffe2py.backends.torch.run import run

    exact = run(graph, given, dtype="float64")
    return max(relative_difference(ours[name], exact[name]) for name in exact)


def _feed(inputs: Any, graph: Graph) -> dict[str, np.ndarray]:
    random = np.random.RandomState(SEED)
    feed = {}
    for given in inputs:
        shape = graph.inputs[given.name]
        assert shape is not None
        if given.type in TYPES:
            feed[given.name] = random.uniform(-LARGEST, LARGEST, shape).astype(TYPES[given.type])
        else:
            feed[given.name] = random.randint(0, 2, shape).astype(np.int32 if "int32" in given.type else np.int64)
    return feed
