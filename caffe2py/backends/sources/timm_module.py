"""Is what was made of timm's weights right? Our run of it against timm's own module, where timm is installed."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from caffe2py.backends.onnx.check import BAR, OnnxCheck, check_made, relative_difference
from caffe2py.errors import CheckError
from caffe2py.frontends.senets.layouts import Layout, layout
from caffe2py.frontends.senets.recognise import timm_weights
from caffe2py.frontends.tensors.read import read_tensors
from caffe2py.graph import Graph

SEED = 2019
LOGITS = "classifier"
THEIRS = "the module that the weights are of"


def timm() -> Any:
    """The module timm, None where it is not installed.

    timm asks for torchvision, and torchvision for two operators that its builds for other builds of torch do not bring.
    """
    with contextlib.suppress(RuntimeError):  # they are there
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            if not hasattr(torch.ops.torchvision, name):
                library.define(f"{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor")
        _KEPT.append(library)
    try:
        import timm as found
    except ImportError:
        return None
    return found


_KEPT: list[Any] = []  # what a library defines goes with it


def check_layout(graph: Graph, source: Path, name: str, feed: str) -> OnnxCheck:
    """Run the graph, and timm's module with the weights that it was made of, on a seeded picture; compare the logits.

    Raises `CheckError` where they differ by more than rounding explains.
    """
    found = layout(name)
    with check_made(source):
        return _compared(graph, found, source, found.std if feed == "caffe" else None)


def check_written(graph: Graph, weights: Path, turn: bool) -> OnnxCheck:
    """Run the graph, and timm's module with what was written of it, as `check_layout` does."""
    found = timm_weights(graph, turn)
    with check_made(weights):
        return _compared(graph, found.layout, weights, found.std if found.turned else None)


def _compared(graph: Graph, found: Layout, weights: Path, std: tuple[float, ...] | None) -> OnnxCheck:
    """Both in float64, since a deep net may make much of the rounding of float32.

    `std`: the graph is fed BGR, 0 to 255 less the mean, where the module is fed RGB divided by this.
    """
    module = _module(found, weights)
    if module is None:
        return OnnxCheck(None, who=THEIRS)
    from caffe2py.backends.torch.run import run

    ((blob, shape),) = graph.inputs.items()
    assert shape is not None
    picture = np.random.RandomState(SEED).uniform(-2, 2, shape)
    with torch.inference_mode():
        theirs = module.double()(torch.from_numpy(picture)).numpy()
    if std is not None:
        picture = np.ascontiguousarray((picture * (255 * np.array(std).reshape(3, 1, 1)))[:, ::-1])
    ours = run(graph, {blob: picture}, record="blobs", dtype="float64")[LOGITS]
    worst = relative_difference(ours.reshape(theirs.shape), theirs)
    if worst > BAR:
        fact = (
            f"the logits differ from those of timm's own module by {worst:.1e} of the largest; want at most {BAR:.0e}"
        )
        raise CheckError(fact, graph.net.file if graph.net else None)
    return OnnxCheck(worst, LOGITS, THEIRS)


def _module(found: Layout, source: Path) -> Any:
    maker = timm()
    if maker is None or not found.name.startswith("timm/"):
        return None
    tensors = {k: torch.from_numpy(np.array(v)) for k, v in read_tensors(source).items()}
    classes = tensors[f"{found.words.classifier}.weight"].shape[0]
    module = maker.create_model(found.model, num_classes=classes)
    module.load_state_dict(tensors, strict=True)
    return module.eval()
