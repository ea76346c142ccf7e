"""`.pt2`: a program exported by torch.export, with a free batch size where the net allows one."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path

import torch
from torch.export import Dim, ExportedProgram, export, save

from caffe2py.backends.provenance import provenance
from caffe2py.backends.torch.run import to_torch
from caffe2py.errors import CaffeError, UnsupportedError, shown
from caffe2py.graph import Graph
from caffe2py.proto.disk.files import steady, written_whole


def write(graph: Graph, path: Path, compile: bool = False) -> list[Path]:
    """Write the exported program; `torch.export.load(path).module()` runs it without caffe2py.

    Where it comes from stands in the archive's extra file `metadata.json`. With `compile`, the program is compiled for
    this machine by AOTInductor: `torch._inductor.aoti_load_package(path)` runs it, and so does C++ without Python
    (torch::inductor::AOTIModelPackageLoader). Raises `CaffeError` where torch finds no C++ compiler.
    """
    if compile:
        _check_compiler()
    made = exported(graph)
    if compile:
        return _compiled(made, path)
    with written_whole(path) as temporary, steady(temporary) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, about names in its archive
        save(made, file, extra_files={"metadata.json": json.dumps(provenance(graph))})
    return [path]


def _check_compiler() -> None:
    from torch._inductor.cpp_builder import get_cpp_compiler

    try:
        get_cpp_compiler()
    except Exception:  # of a private kind
        raise CaffeError(
            "compiling needs a C++ compiler, and torch finds none; install g++, or name one in the variable CXX"
        ) from None


def _compiled(made: ExportedProgram, path: Path) -> list[Path]:
    from torch._inductor import aoti_compile_and_package

    with written_whole(path) as temporary, steady(temporary) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own deprecations
        aoti_compile_and_package(made, package_path=file)
    return [path]


def exported(graph: Graph) -> ExportedProgram:
    """The net's program: with any batch size where torch can prove that the net takes one, else with its own."""
    if stepwise := [n for n in graph.nodes if n.layer.stepwise]:
        lines = [f'  {n.place}: "{shown(n.name)}" ({n.type})' for n in stepwise]
        wish = "torch.export follows no layer that looks at its values. Want .onnx, .py or .pt."
        raise UnsupportedError("cannot be exported:", lines=[*lines, wish])
    module = to_torch(graph)
    shapes = [shape or () for shape in graph.inputs.values()]
    if shapes and all(s and s[0] == shapes[0][0] for s in shapes):
        batch = Dim("batch", min=1)
        try:
            return _export(module, [torch.zeros(max(s[0], 2), *s[1:]) for s in shapes], [{0: batch} for _ in shapes])
        except Exception as error:  # torch raises many kinds here; each means that the batch is not free
            logging.getLogger(__name__).info("exported with a fixed batch: %s", error)
    return _export(module, [torch.zeros(s) for s in shapes], None)


def _export(
    module: torch.nn.Module, inputs: list[torch.Tensor], dynamic: list[dict[int, Dim]] | None
) -> ExportedProgram:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own deprecations, on the way to the export
        return export(module, tuple(inputs), dynamic_shapes=tuple(dynamic) if dynamic else None)
