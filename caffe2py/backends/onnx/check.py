"""Is the `.onnx` file that was written right? The format, and the numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from caffe2py.errors import CheckError, first_line
from caffe2py.graph import Graph
from caffe2py.graph.free_sizes import with_inputs
from caffe2py.layers.base import Shape
from caffe2py.proto.disk.damage import reason

# Both sides add in float32, in other orders, over a hundred layers and more; a fault shows in the second digit.
BAR = 1e-3
HALF_BAR = 1e-1  # three digits in each of those layers
SEED = 2017
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class OnnxCheck:
    """What was found: the largest max|theirs - ours| / max|ours| of an output; None where nobody could run it."""

    worst: float | None
    output: str = ""
    who: str = "onnxruntime"

    def __str__(self) -> str:
        if self.worst is None:
            return f"{self.who} is not installed, so the outputs were not compared"
        where = f' (output "{self.output}")' if self.output else ""
        return f"checked: {self.who} differs from our own run by {self.worst:.1e} of the largest value at most{where}"


def check_file(path: Path, graph: Graph, *, float16: bool = False) -> OnnxCheck:
    """Check a file that `convert` wrote of this graph: by onnx.checker, and by a run in onnxruntime on a seeded input.

    Raises `CheckError` where the checker finds a fault, the runtime does not load the file, an output is off, or the
    check cannot be made.
    """
    with check_made(path):
        return _checked(path, graph, float16)


@contextmanager
def check_made(path: Path | None) -> Iterator[None]:
    """Around a check of a file: where it breaks, for want of memory or by a fault, a `CheckError` says so."""
    try:
        yield
    except CheckError:
        raise
    except Exception as error:  # the file is written, and somebody must be told that nobody knows whether it is right
        raise CheckError(f"the check could not be made: {reason(error)}", str(path) if path else None) from error


def openable(path: Path) -> str | bytes:
    """A file as onnx and onnxruntime take it: its path, or where that is no UTF-8, its content."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return path.read_bytes()
    return str(path)


def _checked(path: Path, graph: Graph, float16: bool) -> OnnxCheck:
    try:
        onnx.checker.check_model(openable(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise CheckError(f"onnx.checker finds a fault: {first_line(error)}", str(path)) from None
    try:
        import onnxruntime
    except ImportError:
        return OnnxCheck(None)
    with refusals(path):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors come as exceptions; warnings are about its own choices
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # for one run, a waste
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(openable(path), options, providers=["CPUExecutionProvider"])
    inputs, ours = _our_run(with_inputs(graph, _shapes(session, graph)))
    with refusals(path):
        names = [i.name for i in session.get_inputs()]
        theirs = session.run(None, dict(zip(names, inputs.values(), strict=True)))
    found = [(relative_difference(top, ours[blob]), blob) for blob, top in zip(graph.outputs, theirs, strict=True)]
    worst, output = max(found, default=(0.0, ""))
    if worst > (HALF_BAR if float16 else BAR):
        fact = f'output "{output}" in onnxruntime differs from our own run by {worst:.1e} of its largest value'
        raise CheckError(f"{fact}; want at most {HALF_BAR if float16 else BAR:.0e}", str(path))
    return OnnxCheck(worst, output)


@contextmanager
def refusals(path: Path) -> Iterator[None]:
    """Around what onnxruntime loads and runs: whatever it raises becomes a `CheckError` of that file."""
    try:
        yield
    except Exception as error:  # onnxruntime's own kinds, none of which is public
        raise CheckError(f"onnxruntime refuses it: {first_line(error)}", str(path)) from None


def _shapes(session: Any, graph: Graph) -> dict[str, Shape]:
    """The shapes to feed: the model's own, and the graph's where the model leaves a size free."""
    shapes = {}
    for (blob, shape), given in zip(graph.inputs.items(), session.get_inputs(), strict=True):
        shapes[blob] = tuple(d if isinstance(d, int) else s for d, s in zip(given.shape, shape or (), strict=True))
    return shapes


def _our_run(graph: Graph) -> tuple[Arrays, Arrays]:
    """Inputs and outputs. A softmax of all or nothing hides faults; the inputs are made smaller until there is none."""
    from caffe2py.backends.torch.device import one_thread
    from caffe2py.backends.torch.run import run

    for largest in (128.0, 8.0, 0.5):
        inputs = seeded_inputs(graph, largest)
        with one_thread():
            outputs = run(graph, inputs, style="flat")
        if not any(map(_all_or_nothing, outputs.values())):
            break
    return inputs, outputs


def _all_or_nothing(top: np.ndarray) -> bool:
    return top.size > 0 and top.max() > 0.5 and bool((np.minimum(np.abs(top), np.abs(top - 1)) < 5e-4).all())


def seeded_inputs(graph: Graph, largest: float) -> Arrays:
    """Pictures less their mean, -`largest` to `largest`; for other blobs 0 to 1, which every layer takes as index 0."""
    random = np.random.RandomState(SEED)
    inputs = {}
    for blob, shape in graph.inputs.items():
        picture = shape is not None and len(shape) == 4 and min(shape[2:]) > 1
        inputs[blob] = random.uniform(-largest if picture else 0, largest if picture else 1, shape).astype(np.float32)
    return inputs


def relative_difference(ours: np.ndarray, reference: np.ndarray) -> float:
    """max |ours - reference| / max |reference|; NaN equals NaN, an infinity itself; infinite for another shape."""
    if ours.shape != reference.shape:
        return float("inf")
    equal = (ours == reference) | (np.isnan(ours) & np.isnan(reference))
    scale = np.abs(reference[np.isfinite(reference)]).max(initial=0.0)
    difference = np.abs(np.where(equal, 0.0, ours.astype(np.float64) - np.where(equal, 0.0, reference))).max(
        initial=0.0
    )
    return float(np.nan_to_num(difference, nan=np.inf) / (scale or 1.0))
