"""Which frontend reads a file, told by its suffix."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from caffe2py.graph import Graph
from caffe2py.layers.base import Shape

ONNX = ".onnx"


def is_foreign(path: str | os.PathLike[str]) -> bool:
    """Is this a net of another maker, which a frontend reads?"""
    return Path(path).suffix == ONNX


def load_foreign(
    path: str | os.PathLike[str],
    *,
    inputs: Mapping[str, Shape] | None = None,
    target: str | None = None,
    dialect: str | None = None,
    axpy: bool = False,
) -> Graph:
    """The graph of a net of another maker; see `load_onnx`. `target` and `dialect` are names."""
    from caffe2py.frontends.caffe.targets import target as named  # here: a command that reads none needs no onnx
    from caffe2py.frontends.onnx.translate import load_onnx

    return load_onnx(path, inputs=inputs, target=named(target, dialect), axpy=axpy)
