"""caffe2py convert"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caffe2py.backends.convert import beside
from caffe2py.cli.common import (
    NetFiles,
    fail,
    file_size,
    json_option,
    lines_of,
    net_files,
    note,
    print_json,
    say,
    working,
)
from caffe2py.cli.files import Command, Output

if TYPE_CHECKING:
    from caffe2py.graph import Graph

KEEPING = (".prototxt", ".caffemodel", ".h5", ".safetensors")  # files of weights: what training needs is kept


@click.command(cls=Command, short_help="Translate a net: .pt .pt2 .py .onnx .safetensors .prototxt ...")
@net_files()
@click.option(
    "-o",
    "--output",
    "out",
    type=Output(beside),
    required=True,
    metavar="OUT",
    help="The file to write; its suffix says as what.",
)
@click.option(
    "--style", type=click.Choice(["flat", "exact"]), help="For .py: as people write, or a step a Caffe layer."
)
@click.option(
    "--batch", type=click.IntRange(1), help="For .onnx: this batch size; free where the net allows it, if not given."
)
@click.option("--opset", type=int, help="For .onnx: this opset; the lowest that says the net rightly, if not given.")
@click.option(
    "--axpy",
    type=click.Choice(["inline", "function", "layer"]),
    is_flag=False,
    flag_value="layer",
    help="For .onnx: Axpy as Mul and Add, or as a function. Of an .onnx, alone: gated sums as Axpy layers.",
)
@click.option("--target", metavar="NAME", help="Of an .onnx: the Caffe that must read it: bvlc, bvlc-2017, ssd, ...")
@click.option("--fold", is_flag=True, default=None, help="For .onnx: fold BatchNorm into the layer before it.")
@click.option(
    "--float16", is_flag=True, default=None, help="For .onnx: compute in float16; inputs and outputs stay float32."
)
@click.option("--no-check", is_flag=True, default=None, help="Do not check what was written, for or of an .onnx.")
@click.option(
    "--even-if-caffe-cannot-read-it",
    is_flag=True,
    default=None,
    help='For .h5: write layers with "/" in their names too, which no Caffe finds in HDF5 weights.',
)
@json_option
def command(net: NetFiles, out: str, target: str | None, no_check: bool | None, as_json: bool, **settings: Any) -> None:
    """Translate NET.prototxt, with the weights of NET.caffemodel, into OUT.

    A caffemodel alone, in place of the prototxt, is translated as the net that is saved in it. A training file is
    translated as the net to run: without labels, losses and accuracies, its input of crop_size or new_height and
    new_width, with the channels that the first layer's weights take. Caffe's formats and .safetensors keep all.

    An ONNX model in place of the prototxt becomes a net of Caffe's layers, which --target must read; a fork's own
    layers are used with --dialect only. What was written is checked against onnxruntime on the model, where that is
    installed.

    \b
    OUT.pt           for caffe2py.load_torch; a plain dict that torch.load(weights_only=True) opens
    OUT.pt2          an exported program (torch.export)
    OUT.py           source that imports torch alone, with its weights beside it in OUT.pth
    OUT.onnx         ONNX; checked by onnx.checker, and against our own run where onnxruntime is installed
    OUT.safetensors  Caffe's own blobs, named layer.0, layer.1
    OUT.prototxt     the net as text of today's format, with its weights beside it in OUT.caffemodel
    OUT.caffemodel   Caffe's binary format of today
    OUT.h5           Caffe's HDF5 weights, of nets without "/" in the names of layers

    Exit status 3: the file was written, and a check found it wrong.
    """
    from caffe2py.backends.convert import convert, writer
    from caffe2py.proto.disk.digests import digest_ahead

    foreign = _foreign(net, settings, target)
    options = {name: value for name, value in settings.items() if value is not None}
    for name in [*options, *(["no_check"] if no_check and not net.is_foreign else [])]:
        suffix = {"style": ".py", "even_if_caffe_cannot_read_it": ".h5"}.get(name, ".onnx")
        if not out.endswith(suffix):
            raise click.UsageError(f"--{name.replace('_', '-')} is for OUT{suffix}")
    writer(out)  # a wrong suffix or folder is told before any work
    if net.caffemodel and out.endswith(".onnx"):
        digest_ahead(net.caffemodel)  # for the file's metadata
    with working(f"reading {net.prototxt}"):
        graph = net.load(deploy=not out.endswith(KEEPING), **foreign)
    with working(f"writing {out}"):
        files = convert(graph, out, **options)
    checked = {} if no_check else _checked(files, graph, net, bool(options.get("float16")))
    if as_json:
        said = [{"file": str(f), "bytes": f.stat().st_size} for f in files]
        print_json({"files": said, "notes": list(graph.notes)} | ({"check": checked} if checked else {}))
    else:
        for f in files:
            say(f"{f}  {file_size(f.stat().st_size)}")
        if checked.get("ok"):
            say(checked["said"])
        for line in _lost(graph) if out.endswith(".caffemodel") else ():
            note(line)
        note(f"{graph.name}: {len(graph.nodes)} layers, {graph.parameter_count():,} parameters")
    if checked and not checked["ok"]:
        say(*lines_of(f"caffe2py: {checked['said']}"), err=True)
        fail()


def _lost(graph: Graph) -> tuple[str, ...]:
    """What a caffemodel cannot hold of a net."""
    from caffe2py.proto.dialects.encoding import without_number

    return without_number(graph.net) if graph.net is not None else ()


def _foreign(net: NetFiles, settings: dict[str, Any], target: str | None) -> dict[str, Any]:
    """The choices for a net of another maker, taken out of the settings."""
    layer = settings["axpy"] == "layer"
    if layer:
        settings["axpy"] = None
    if net.is_foreign:
        return {"target": target, "axpy": layer}
    if layer or target:
        raise click.UsageError(f"--{'axpy' if layer else 'target'} is for a net out of a .onnx")
    return {}


def _checked(files: Sequence[Path], graph: Graph, net: NetFiles, float16: bool) -> dict[str, Any]:
    """What a check of the written files found: `ok`, the largest difference, and a sentence; empty without a check."""
    from caffe2py.errors import CheckError

    out = files[0]
    if out.suffix != ".onnx" and not net.is_foreign:
        return {}
    with working(f"checking {out}"):
        try:
            if out.suffix == ".onnx":
                from caffe2py.backends.onnx.check import check_file

                found = check_file(out, graph, float16=float16)
            else:
                from caffe2py.backends.onnx.source import check_source
                from caffe2py.graph.load import load

                written = load(*files) if out.suffix in (".prototxt", ".caffemodel") else graph
                found = check_source(written, Path(net.prototxt))
        except CheckError as error:
            return {"ok": False, "said": str(error)}
    return {"ok": True, "said": str(found), "difference": found.worst, "output": found.output}
