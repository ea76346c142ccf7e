"""caffe2py compare"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from caffe2py.cli.common import progress, working
from caffe2py.cli.files import Command, Input
from caffe2py.cli.report_output import report_options

if TYPE_CHECKING:
    from caffe2py.proof.reports.report import Report


@click.command(cls=Command, short_help="Compare two dumps of activations, and tell where they part")
@click.argument("a", type=Input(), metavar="A")
@click.argument("b", type=Input(), metavar="B")
@click.option("--bar", type=click.FloatRange(0), default=1e-5, show_default=True, help="The largest error allowed.")
@report_options
def command(a: str, b: str, bar: float) -> Report:
    """Compare the values of dump A with those of dump B.

    Each is a caffe-activations/1 file, whole or sampled, an .npz or .h5 of blobs, or a folder of .npy files.
    Errors are max|A - B| / max|B|. Exit status 3: they differ.
    """
    from caffe2py.proof.compare import compare

    with working(f"comparing {a}"):
        return compare(a, b, bar=bar, progress=progress)
