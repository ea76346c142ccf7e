"""caffe2py convert"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caffe2py.backends.convert import OPTIONS, beside
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
    from caffe2py.backends.onnx.check import OnnxCheck
    from caffe2py.graph import Graph

KEEPING = (".prototxt", ".caffemodel", ".h5", ".safetensors")  # files of weights: what training needs is kept


@click.command(cls=Command, short_help="Translate a net: .pt .pt2 .py .onnx .safetensors .prototxt .caffemodel .h5")
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
    "--style",
    type=click.Choice(["readable", "flat", "exact"]),
    help="For .py: as a person would write it, a line for each layer, or a step for each Caffe layer.",
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
@click.option(
    "--as",
    "layout",
    metavar="NAME",
    help="What is read are weights alone, called as in timm/seresnet50, mindcv/seresnet18, ...",
)
@click.option(
    "--feed",
    type=click.Choice(["as-is", "caffe"]),
    help="With --as: RGB pictures as the weights want them, or Caffe's own, BGR from 0 to 255 less a mean. With "
    "--layout: as-is leaves the channels as they are, which are turned for timm's RGB if not.",
)
@click.option("--target", metavar="NAME", help="Of an .onnx: the Caffe that must read it: bvlc, bvlc-2017, ssd, ...")
@click.option(
    "--layout",
    "written",
    type=click.Choice(["timm"]),
    help="For .safetensors, or a folder: a SENet's weights in timm's names; the folder has a config.json too.",
)
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
@click.option(
    "--compile", is_flag=True, default=None, help="For .pt2: compile it for this machine; needs a C++ compiler."
)
@json_option
def command(
    net: NetFiles,
    out: str,
    layout: str | None,
    feed: str | None,
    target: str | None,
    written: str | None,
    no_check: bool | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Translate NET.prototxt, with the weights of NET.caffemodel, into OUT.

    A caffemodel alone, in place of the prototxt, is translated as the net that is saved in it. A training file is
    translated as the net to run: without labels, losses and accuracies, its input of crop_size or new_height and
    new_width, with the channels that the first layer's weights take. Caffe's formats and .safetensors keep all.

    An ONNX model in place of the prototxt becomes a net of Caffe's layers, which --target must read; a fork's own
    layers are used with --dialect only. What was written is checked against onnxruntime on the model, where that is
    installed. Weights alone, of .safetensors, .pth, .npz or MindSpore's .ckpt, become the net that --as names.

    \b
    OUT.pt           for caffe2py.load_torch; a plain dict that torch.load(weights_only=True) opens
    OUT.pt2          an exported program (torch.export); with --compile, machine code (AOTInductor)
    OUT.py           source that imports torch alone, with its weights beside it in OUT.pth
    OUT.onnx         ONNX; checked by onnx.checker, and against our own run where onnxruntime is installed
    OUT.safetensors  Caffe's own blobs, named layer.0, layer.1
    OUT.prototxt     the net as text of today's format, with its weights beside it in OUT.caffemodel
    OUT.caffemodel   Caffe's binary format of today
    OUT.h5           Caffe's HDF5 weights, of nets without "/" in the names of layers
    OUT --layout timm              a folder: timm.create_model("local-dir:OUT", pretrained=True) takes it
    OUT.safetensors --layout timm  the weights alone, in timm's names

    Exit status 3: the file was written, and a check found it wrong.
    """
    from caffe2py.backends.convert import convert, writer
    from caffe2py.proto.disk.digests import digest_ahead

    net = replace(net, layout=layout)
    foreign = _foreign(net, settings, target, feed, written)
    options = {name: value for name, value in settings.items() if value is not None}
    for name in [*options, *(["no_check"] if no_check and not (net.is_foreign or written) else [])]:
        suffix = next((suffix for suffix, known in OPTIONS.items() if name in known), ".onnx")
        if not out.endswith(suffix):
            raise click.UsageError(f"--{name.replace('_', '-')} is for OUT{suffix}")
    if written:
        options = {**options, "layout": written, "turn": net.layout is not None or feed != "as-is"}
    writer(out, written)  # a wrong suffix or folder is told before any work
    if net.caffemodel and out.endswith(".onnx"):
        digest_ahead(net.caffemodel)  # for the file's metadata
    with working(f"reading {net.prototxt}"):
        graph = net.load(deploy=not out.endswith(KEEPING), **foreign)
    with working(f"writing {out}"):
        files = convert(graph, out, **options)
    checked = {} if no_check else _checked(files, graph, net, feed, options)
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


def _foreign(
    net: NetFiles, settings: dict[str, Any], target: str | None, feed: str | None, written: str | None
) -> dict[str, Any]:
    """The choices for a net of another maker, taken out of the settings."""
    layer = settings["axpy"] == "layer"
    if layer:
        settings["axpy"] = None
    if feed and not net.layout and not written:
        raise click.UsageError("--feed is for weights that are read --as a layout, or written in one (--layout)")
    if net.is_foreign:
        return {"target": target, "axpy": layer, "feed": feed}
    if layer or target:
        word = "axpy" if layer else "target"
        raise click.UsageError(f"--{word} is for a net out of a .onnx, or of weights that are read --as a layout")
    return {}


def _checked(
    files: Sequence[Path], graph: Graph, net: NetFiles, feed: str | None, options: dict[str, Any]
) -> dict[str, Any]:
    """What a check of the written files found: `ok`, the largest difference, and a sentence; empty without a check."""
    from caffe2py.errors import CheckError

    out = files[0]
    if out.suffix != ".onnx" and not net.is_foreign and "layout" not in options:
        return {}
    with working(f"checking {out}"):
        try:
            if out.suffix == ".onnx":
                from caffe2py.backends.onnx.check import check_file

                found = check_file(out, graph, float16=bool(options.get("float16")))
            elif "layout" in options:
                from caffe2py.backends.sources.timm_module import check_written

                found = check_written(graph, files[-1], options["turn"])
            else:
                from caffe2py.graph.load import load

                again = out.suffix in (".prototxt", ".caffemodel")
                written = load(*files, dialect=graph.dialects[0]) if again else graph
                found = _against_source(written, net, feed)
        except CheckError as error:
            return {"ok": False, "said": str(error)}
    return {"ok": True, "said": str(found), "difference": found.worst, "output": found.output}


def _against_source(graph: Graph, net: NetFiles, feed: str | None) -> OnnxCheck:
    """What was written against what it was made of: the model in onnxruntime, or the weights in timm's own module."""
    source = Path(net.prototxt)
    if net.layout:
        from caffe2py.backends.sources.timm_module import check_layout

        return check_layout(graph, source, net.layout, feed or "as-is")
    from caffe2py.backends.sources.onnx_model import check_source

    return check_source(graph, source)
