"""Which frontend reads a file: that of the layout which somebody names, else told by its suffix."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from caffe2py.graph import Graph
from caffe2py.layers.base import Shape

if TYPE_CHECKING:
    from caffe2py.frontends.onnx.subgraphs import Write

ONNX = ".onnx"


def is_foreign(path: str | os.PathLike[str], layout: str | None = None) -> bool:
    """Is this a net of another maker, or weights in another's layout, which a frontend reads?"""
    return layout is not None or Path(path).suffix == ONNX


def load_foreign(
    path: str | os.PathLike[str],
    *,
    inputs: Mapping[str, Shape] | None = None,
    target: str | None = None,
    dialect: str | None = None,
    axpy: bool = False,
    layout: str | None = None,
    feed: str | None = None,
    write: Write | None = None,
) -> Graph:
    """The graph of a net of another maker; see `load_onnx`, and `load_layout` for weights in a `layout`.

    `target` and `dialect` are names. `feed` is for a layout alone, since an ONNX model does not tell its own.
    """
    from caffe2py.frontends.caffe.targets import target as named  # here: a command that reads none needs no numpy

    caffe = named(target, dialect)
    if layout is not None:
        from caffe2py.frontends.senets.load import load_layout

        return load_layout(path, layout, inputs=inputs, target=caffe, axpy=axpy, feed=feed or "as-is")
    from caffe2py.frontends.onnx.translate import load_onnx

    return load_onnx(path, inputs=inputs, target=caffe, axpy=axpy, write=write)
