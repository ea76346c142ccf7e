"""caffe2py convert"""

from __future__ import annotations

from typing import Any

import click

from caffe2py.cli.common import NetFiles, file_size, json_option, net_files, note, print_json, working


@click.command(short_help="Translate a net: .pt .pt2 .py .safetensors .caffemodel .h5")
@net_files()
@click.option("-o", "--output", "out", required=True, metavar="OUT", help="The file to write; its suffix says as what.")
@click.option(
    "--style", type=click.Choice(["flat", "exact"]), help="For .py: as people write, or a step a Caffe layer."
)
@json_option
def command(net: NetFiles, out: str, style: str | None, as_json: bool) -> None:
    """Translate NET.prototxt, with the weights of NET.caffemodel, into OUT.

    \b
    OUT.pt           for caffe2py.load_torch; a plain dict that torch.load(weights_only=True) opens
    OUT.pt2          an exported program (torch.export)
    OUT.py           source that imports torch alone, with its weights beside it in OUT.pth
    OUT.safetensors  Caffe's own blobs, named layer.0, layer.1
    OUT.caffemodel   Caffe's binary format of today
    OUT.h5           Caffe's HDF5 weights
    """
    from caffe2py.backends.convert import convert, writer

    if style and not out.endswith(".py"):
        raise click.UsageError("--style is for OUT.py")
    writer(out)  # a wrong suffix or folder is told before any work
    options: dict[str, Any] = {"style": style} if style else {}
    with working(f"reading {net.prototxt}"):
        graph = net.load()
    with working(f"writing {out}"):
        files = convert(graph, out, **options)
    if as_json:
        print_json({"files": [{"file": str(f), "bytes": f.stat().st_size} for f in files], "notes": list(graph.notes)})
        return
    for f in files:
        click.echo(f"{f}  {file_size(f.stat().st_size)}")
    note(f"{graph.name}: {len(graph.nodes)} layers, {graph.parameter_count():,} parameters")
