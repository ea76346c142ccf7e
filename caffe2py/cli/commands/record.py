"""caffe2py record"""

from __future__ import annotations

import click

from caffe2py.cli.common import (
    NetFiles,
    device_option,
    file_size,
    json_option,
    net_files,
    print_json,
    progress,
    say,
    working,
)
from caffe2py.cli.files import Command, Input, Output


@click.command(cls=Command, short_help="Run a net once and write every layer's values to a dump")
@net_files(weights=True)
@click.option(
    "-o",
    "--output",
    "out",
    type=Output(),
    required=True,
    metavar="DUMP.h5",
    help="The dump to write (caffe-activations/1): .h5 or .npz.",
)
@click.option(
    "--from",
    "source",
    type=Input(),
    metavar="FILE",
    help="The inputs: another dump's, an .npy for a net of one input, or an .npz or .h5 of {input: array}.",
)
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Without --from: the seed of noise from -128 to 128."
)
@click.option("--samples", type=click.IntRange(1), help="Keep so many values of each top, and statistics of all.")
@device_option
@json_option
def command(
    net: NetFiles, out: str, source: str | None, seed: int, samples: int | None, device: str, as_json: bool
) -> None:
    """Record what every layer of NET makes of one input, in the format that the recorder for Caffe writes.

    What it writes can be compared with Caffe's own dump (caffe2py compare), and verified against (caffe2py verify).
    """
    from pathlib import Path

    from caffe2py.proof.record import noise, read_inputs, record

    with working(f"running {net.prototxt}"):
        graph = net.load()
        inputs = noise(graph, seed) if source is None else read_inputs(graph, source)
        record(graph, inputs, out, samples, device=device, progress=progress)
    size = Path(out).stat().st_size
    if as_json:
        print_json({"file": out, "bytes": size, "layers": sum(not n.layer.is_input for n in graph.nodes)})
    else:
        say(f"wrote {out} ({file_size(size)})")
