"""Weights of whatever format, told apart by content."""

from __future__ import annotations

import os

from caffe2py.proto.disk.files import map_file
from caffe2py.proto.hdf5.trial import MAGIC
from caffe2py.proto.weights.caffemodel import parse_weights
from caffe2py.proto.weights.hdf5 import read_caffemodel_h5
from caffe2py.proto.weights.layers import Weights


def read_weights(path: str | os.PathLike[str]) -> Weights:
    """The weights in a ``.caffemodel`` or ``.caffemodel.h5`` file (told apart by content, not by name).

    Raises FileError where the file cannot be opened, CaffemodelError where it is not what it should be.
    """
    buf = map_file(path)
    name = os.fspath(path)
    if buf[:8] == MAGIC:
        return read_caffemodel_h5(path)
    return parse_weights(buf, name)
