"""One graph, many files: the kind of file is told by its suffix."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from caffe2py import arguments
from caffe2py.errors import CaffeError, FileError
from caffe2py.graph import Graph
from caffe2py.proto.disk.staging import check_parent

# Suffix -> the module that writes it, what it is. Each module has `write(graph, path, **options)`, and returns the
# files it wrote. They load when they are used: a conversion to safetensors must not wait for torch.
KINDS = {
    ".pt": ("pt_file", "PyTorch: prototxt and state dict, for caffe2py.load_torch"),
    ".pt2": ("pt2_file", "PyTorch: an exported program (torch.export)"),
    ".py": ("py_file", "PyTorch: source that imports torch alone, its weights beside it as .pth"),
    ".onnx": ("onnx_file", "ONNX: Caffe's names, a free batch size where the net allows one"),
    ".safetensors": ("safetensors_file", "Caffe's own blobs, named layer.0, layer.1"),
    ".prototxt": (
        "prototxt_file",
        "Caffe's own: the net as text of today's format, its weights beside it as .caffemodel",
    ),
    ".caffemodel": ("caffe_file", "Caffe's binary format of today"),
    ".h5": ("caffe_file", "Caffe's HDF5 weights"),
}

# What may be chosen of a kind of file.
OPTIONS = {
    ".pt2": ("compile",),
    ".py": ("style",),
    ".onnx": ("batch", "opset", "axpy", "fold", "float16"),
    ".h5": ("even_if_caffe_cannot_read_it",),
}

# Where the weights lie that do not fit into the file: always for .py and .prototxt, of 2 GB and more for .onnx.
BESIDE = {".py": ".pth", ".onnx": ".onnx.data", ".prototxt": ".caffemodel"}


# What is written in another's layout: a folder, or weights alone.
LAYOUTS = {"timm": ("timm_folder", ("", ".safetensors"))}
OF_LAYOUTS = ("turn",)  # what may be chosen of them
FOLDER = ("config.json", "model.safetensors")


def beside(path: Path) -> list[Path]:
    """The file that is written, and read, beside a converted one: `net.pth` beside `net.py`; the files of a folder."""
    if not path.suffix:
        return [path / name for name in FOLDER]
    return [path.with_suffix(BESIDE[path.suffix])] if path.suffix in BESIDE else []


def convert(graph: Graph, out: str | os.PathLike[str], layout: str | None = None, **options: Any) -> list[Path]:
    """Write the graph as `out`; its suffix says as what. Returns the files written.

    .pt           for `load_torch`; a plain dict that torch.load(weights_only=True) opens
    .pt2          an exported program (torch.export)
                      compile=False: compiled for this machine, to run in C++ too
    .py           source that imports torch alone, its weights beside it as .pth
                      style="readable": as a person would write it; "flat": a line for each layer; "exact": a step
                      for each Caffe layer
    .onnx         as `to_onnx`, and of any size
                      batch=None, opset=None, axpy="inline", fold=False, float16=False: as there
    .safetensors  Caffe's own blobs, named layer.0, layer.1
    .prototxt     the net as text of today's format, its weights beside it as .caffemodel
    .caffemodel   Caffe's binary format of today
    .h5           Caffe's HDF5 weights
                      even_if_caffe_cannot_read_it=False: with "/" in the names of layers too

    With `layout="timm"` a SENet is written in timm's names: a folder for `timm.create_model("local-dir:OUT")`, or the
    weights alone for a `.safetensors`.

    Files appear whole or not at all. Raises `CaffeError` for an option that this kind of file does not have,
    `FileError` for a suffix that is not known and for a folder that is not there, `UnsupportedError` and `WeightError`
    as `to_torch` does.
    """
    write = writer(out, layout)
    suffix = Path(out).suffix
    known = OF_LAYOUTS if layout else OPTIONS.get(suffix, ())
    for name in options:
        if name not in known:
            raise CaffeError(f'{suffix or "a folder"} has no option "{name}"; want {", ".join(known) or "none"}')
    return write(graph, Path(out), **options)


def writer(out: str | os.PathLike[str], layout: str | None = None) -> Callable[..., list[Path]]:
    """The function that writes files like `out`; a `FileError` where there is none, or no folder for it."""
    path = Path(out)
    if layout:
        arguments.one_of("layout", layout, LAYOUTS)
    kinds = dict.fromkeys(LAYOUTS[layout][1], LAYOUTS[layout][0]) if layout else {k: m for k, (m, _) in KINDS.items()}
    if path.suffix not in kinds:
        wish = "a folder or .safetensors" if layout else f"one of {' '.join(KINDS)}"
        raise FileError(f'no format has the suffix "{path.suffix}"; want {wish}', str(out))
    check_parent(path)
    found: Callable[..., list[Path]] = importlib.import_module(f"caffe2py.backends.files.{kinds[path.suffix]}").write
    return found
