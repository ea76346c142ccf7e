"""The readers that meet files from elsewhere, one function each: reads all that there is in a file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import caffe2py
from caffe2py.archive.checking import check
from caffe2py.backends.files import pt_reading
from caffe2py.evaluate.labels.labels import read_labels
from caffe2py.frontends.tensors.read import read_tensors
from caffe2py.proof.dumps.reading import LayerDump, open_dump
from caffe2py.proto.weights.mean import read_mean
from caffe2py.proto.weights.read import read_weights


def prototxt(path: Path) -> None:
    """Read, checked as Caffe checks it, shown, and said as source."""
    graph = caffe2py.load(path, ignore_unknown_fields=True)
    str(graph)
    caffe2py.to_source(graph)


def upgraded(path: Path) -> None:
    """A net or solver of any age, or a caffemodel, written in today's format."""
    with tempfile.TemporaryDirectory() as folder:
        caffe2py.upgrade(path, Path(folder) / "new")


def weights(path: Path) -> None:
    """A caffemodel or its HDF5 form, with every blob, and the net that is saved in it."""
    found = read_weights(path)
    for layer in found.layers:
        for blob in layer.blobs:
            assert blob.data is not None
    if found.version != "HDF5":
        caffe2py.load(path, ignore_unknown_fields=True)


def mean(path: Path) -> None:
    read_mean(path)


def dump(path: Path) -> None:
    """Recorded activations, every value of them."""
    with open_dump(path) as found:
        if isinstance(found, LayerDump):
            for record in found.records:
                for top in record.tops:
                    top.read()
            arrays = found.inputs
        else:
            arrays = found.arrays
        for read in arrays.values():
            read()


def pt(path: Path) -> None:
    pt_reading.read(path)


def bundle(path: Path) -> None:
    """The bytes of a bundle, and what it says of itself."""
    check(path, files_only=True)


def labels(path: Path) -> None:
    read_labels(path)


def identified(path: Path) -> None:
    caffe2py.identify(path)


def onnx(path: Path) -> None:
    """A model of another maker, as a net of Caffe's layers."""
    str(caffe2py.load_onnx(path))


def tensors(path: Path) -> None:
    """Another maker's weights."""
    read_tensors(path)


# By name: the function, and the ending that its files bear.
READERS: Mapping[str, tuple[Callable[[Path], None], str]] = {
    "prototxt": (prototxt, ".prototxt"),
    "upgrade": (upgraded, ".prototxt"),
    "caffemodel": (weights, ".caffemodel"),
    "hdf5": (weights, ".caffemodel.h5"),
    "mean": (mean, ".binaryproto"),
    "dump": (dump, ".h5"),
    "npz": (dump, ".npz"),
    "pt": (pt, ".pt"),
    "bundle": (bundle, ".tar"),
    "labels": (labels, ".txt"),
    "identify": (identified, ".caffemodel"),
    "onnx": (onnx, ".onnx"),
    "safetensors": (tensors, ".safetensors"),
    "ckpt": (tensors, ".ckpt"),
}
