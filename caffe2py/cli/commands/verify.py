"""caffe2py verify"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from caffe2py.backends.convert import beside
from caffe2py.cli.common import NetFiles, device_option, net_files, progress, working
from caffe2py.cli.files import Command, Input
from caffe2py.cli.report_output import report_options

if TYPE_CHECKING:
    from caffe2py.proof.reports.report import Report


@click.command(cls=Command, short_help="Prove a translation, layer by layer, against what Caffe recorded")
@net_files(weights=True)
@click.option(
    "--against",
    "dump",
    type=Input(),
    required=True,
    metavar="DUMP",
    help="What Caffe recorded: caffe-activations/1, an .npz or .h5 of blobs, or a folder of .npy files.",
)
@click.option(
    "--model",
    type=Input(beside),
    metavar="FILE",
    help="A converted .pt, .onnx or .py, or another's .onnx or .pt2. A .py or .pt2 is run.",
)
@click.option(
    "--style",
    type=click.Choice(["exact", "flat", "readable"]),
    default="exact",
    show_default=True,
    help="Without --model: the module to verify, a step a Caffe layer, or as it is converted.",
)
@click.option("--bar", type=click.FloatRange(0), help="The largest error allowed; what float32 explains, if not given.")
@device_option
@report_options
def command(net: NetFiles, dump: str, model: str | None, style: str, bar: float | None, device: str) -> Report:
    """Compare every value of a net with what was recorded in Caffe, and name the first layer that is wrong.

    \b
    local   the layer's own error, when it is fed with the values that Caffe recorded
    drift   the error from the net's inputs on
    bar     the error that rounding to float32 explains: five times our own, measured
            against a run in float64; the square root of the number of terms of a sum; and
            three times what a plain float32 loop, as Caffe's are, loses on the same values

    Errors are max|ours - reference| / max|reference|. tools/record_caffe_activations.py records
    in Caffe. Exit status 3: the net, or the model, is not what Caffe ran.
    """
    from caffe2py.proof.verify import verify

    with working(f"verifying {model or net.prototxt}"):
        return verify(net.load(), dump, model, style=style, bar=bar, device=device, progress=progress)
