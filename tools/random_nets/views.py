"""A net in each way that caffe2py runs it: step by step in float64, as each style of module, and as ONNX."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import caffe2py
from caffe2py.errors import CaffeError
from caffe2py.graph import Graph
from caffe2py.graph.build import build
from caffe2py.graph.fillers import fill_weights
from caffe2py.proto.net import parse_net
from tools.random_nets.making import RandomNet

STYLES = ("exact", "flat", "readable")
Arrays = Mapping[str, np.ndarray]


def graph_of(net: RandomNet) -> Graph:
    """The net with filled weights; `CaffeError` where Caffe would refuse it."""
    return fill_weights(build(parse_net(net.text, f"random-{net.seed}.prototxt"), phase="TEST"), net.seed)


def views(graph: Graph, inputs: Arrays) -> Iterator[tuple[str, Arrays]]:
    """Each way's name and outputs. Without ONNX where the net has a layer that cannot be said in it."""
    for style in STYLES:
        yield style, caffe2py.run(graph, inputs, style=style)
    try:
        model = caffe2py.to_onnx(graph)
    except CaffeError:
        return
    yield "onnx", _onnxruntime(model, inputs)


def differences(graph: Graph, inputs: Arrays) -> dict[str, float]:
    """Each way's largest difference from float64, over the largest value of the output and of what it is made from.

    Empty where a NaN arises: no two ways of comparing numbers agree on one.
    """
    blobs = caffe2py.run(graph, inputs, record="blobs", dtype="float64")
    if any(np.isnan(values).any() for values in blobs.values()):
        return {}
    makers = {top.blob: node for node in graph.nodes for top in node.tops}
    found = {}
    for way, outputs in views(graph, inputs):
        errors = []
        for blob, values in outputs.items():
            sources = [blobs[b.blob] for b in makers[blob].bottoms if b.blob in blobs]
            errors.append(difference(values, blobs[blob], sources))
        found[way] = max(errors, default=0.0)
    return found


def difference(ours: np.ndarray, theirs: np.ndarray, sources: Sequence[np.ndarray] = ()) -> float:
    """max |ours - theirs| over the largest value that is there, infinite where the shapes differ."""
    if ours.shape != theirs.shape:
        return float("inf")
    with np.errstate(over="ignore", invalid="ignore"):
        theirs = theirs.astype(np.float32).astype(np.float64)
        equal = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        gap = np.abs(np.where(equal, 0.0, ours - theirs)).max(initial=0.0)
    largest = max(np.abs(x[np.isfinite(x)]).max(initial=0.0) for x in (theirs, *sources))
    return float(gap / largest) if largest and not np.isnan(gap) else float("inf") if gap else 0.0


def _onnxruntime(model: Any, inputs: Arrays) -> Arrays:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    given = {i.name: inputs[i.name] for i in session.get_inputs()}
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, given), strict=True))
