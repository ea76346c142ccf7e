"""Is a translation right? Every value against what was recorded in Caffe; the first layer that is wrong has a name.

Final outputs hide faults: with one ReLU made leaky in the middle of SE-ResNet-50 the probabilities still agree to four
places. So each value gets two errors: *local*, its layer fed with the reference's own inputs, and *drift*, from
the net's inputs on. What rounding to float32 explains is no fault; `measure.Bars` says how much that is, and why.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from caffe2py import arguments
from caffe2py.graph import Graph
from caffe2py.proof.comparison import Comparison, Progress
from caffe2py.proof.diagnosis.explain import explain
from caffe2py.proof.dumps.binding import bind_dump, shaped_by
from caffe2py.proof.dumps.reading import open_dump
from caffe2py.proof.measures.measure import Bars
from caffe2py.proof.models.foreign import ForeignModel
from caffe2py.proof.models.opening import open_model
from caffe2py.proof.reports.findings import FAULT
from caffe2py.proof.reports.report import Report, file_hashes
from caffe2py.version import __version__


def verify(
    graph: Graph,
    dump: str | os.PathLike[str],
    model: str | os.PathLike[str] | None = None,
    *,
    style: str = "exact",
    bar: float | None = None,
    device: str = "cpu",
    diagnose: bool = True,
    progress: Progress | None = None,
) -> Report:
    """Compare every value of a net with a dump recorded in Caffe.

    `dump` is a `caffe-activations/1` file, whole or sampled, an `.npz` or `.h5` of {blob: array}, or a folder of
    `.npy` files. `model` is a converted file (`.pt`, `.py`, `.onnx`), or somebody else's translation (`.onnx`, `.pt2`),
    whose values are found by what they hold; without one, the torch module of the graph in `style` ("exact", "flat" or
    "readable") is verified. A `.py` is run. `bar` is the largest error allowed, instead of what rounding explains.
    `device` is where it runs, as torch names it, with TF32 off. `diagnose` looks for the likely cause of the first
    fault. `progress` wraps the iteration over the layers.

    Errors are max|ours - reference| / max|reference|. Raises `CaffeError` where the dump is none, or not of this net.
    """
    if bar is not None:
        arguments.not_negative("bar", bar)
    started = time.monotonic()
    with open_dump(dump) as opened:
        graph = shaped_by(graph, opened)
        made = open_model(graph, model, style, device)
        recorded = bind_dump(opened, made.source)
        if isinstance(made, ForeignModel):
            made = made.matched(recorded)
        comparison = Comparison(made, recorded, Bars(fixed=bar))
        rows = comparison.rows(progress)
        if bar is None and not comparison.fed and any(row.verdict == FAULT for row in rows):
            comparison = Comparison(made, recorded, Bars(fixed=bar), shaking=True)
            rows = comparison.rows(progress)
        first = next((row for row in rows if row.verdict == FAULT), None)
        cause = None
        if diagnose and first is not None and not first.rounds:
            cause = explain(graph, made, recorded, first, comparison.spans)
        report = Report(
            net=graph.name,
            model=made.name,
            dump=Path(dump).name,
            layers=tuple(rows),
            diagnosis=cause,
            notes=(*recorded.notes, *comparison.notes(), *(made.notes if isinstance(made, ForeignModel) else ())),
            files=file_hashes([p for p in (_prototxt(graph), graph.weights_file, dump, model) if p is not None]),
            versions=_versions(device),
            graph=made.graph,
        )
    return replace(report, seconds=time.monotonic() - started)


def _prototxt(graph: Graph) -> str | None:
    return graph.net.file if graph.net is not None else None


def _versions(device: str) -> Mapping[str, str]:
    import torch

    return {
        "caffe2py": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        **({"device": device} if device != "cpu" else {}),
    }
