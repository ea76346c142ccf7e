"""caffe2py classify"""

from __future__ import annotations

from typing import Any

import click

from caffe2py.cli.common import NetFiles, json_option, net_files, working
from caffe2py.cli.files import Command, Input
from caffe2py.cli.image_options import BATCHES, CLASSES, ENGINE, PREPROCESSING, options, print_images


@click.command(cls=Command, short_help="Name what a net sees in images")
@net_files(weights=True)
@click.argument("images", type=Input(), nargs=-1, required=True, metavar="IMAGE...")
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, help="How many classes to name.")
@click.option(
    "--names", type=Input(), metavar="FILE", help="A class name a line, for a net of other classes than ILSVRC2012's."
)
@options(CLASSES, PREPROCESSING, ENGINE, BATCHES)
@json_option
def command(net: NetFiles, as_json: bool, images: tuple[str, ...], **settings: Any) -> None:
    """Run NET on each IMAGE (files, folders or tars) and print the best classes with their probabilities.

    An image that cannot be read is named, the others are run, and the exit status is 1.
    """
    from caffe2py.evaluate.classification import classify

    with working(f"running {net.prototxt}"):
        found, notes = classify(net.load(), images, **settings)
    print_images(found, notes, as_json, _lines)


def _lines(image: Any) -> list[str]:
    lines = [f"  {g.probability:8.4%}  {g.number:4}  {g.wnid or ''} {g.name or ''}".rstrip() for g in image.guesses]
    return [image.image, *lines]
