"""caffe2py detect"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from caffe2py.cli.common import NetFiles, json_option, net_files, working
from caffe2py.cli.files import Command, Input, Output
from caffe2py.cli.image_options import ENGINE, PREPROCESSING, options, print_images


@click.command(cls=Command, short_help="Find things in images, and draw them")
@net_files(weights=True)
@click.argument("images", type=Input(), nargs=-1, required=True, metavar="IMAGE...")
@click.option(
    "--threshold", type=float, default=0.5, show_default=True, help="Leave out what has a score below this one."
)
@click.option(
    "--names", type=Input(), metavar="FILE", help="A label's name a line, from label 0 on, or SSD's labelmap.prototxt."
)
@click.option(
    "-o",
    "--output",
    "out",
    type=Output(),
    metavar="PICTURE",
    help="Draw the boxes on the picture and write it as .png or .jpg; of several, a folder.",
)
@options(PREPROCESSING, ENGINE)
@json_option
def command(net: NetFiles, as_json: bool, images: tuple[str, ...], **settings: Any) -> None:
    """Run NET on each IMAGE (files, folders or tars) and print what it finds: score, label, and box in pixels.

    NET ends in a layer that says what it found, such as SSD's DetectionOutput, or in scores and boxes of the regions
    that it proposes. It sees the whole image, warped to its input, unless told otherwise. An image that cannot be read
    is named, the others are run, and the exit status is 1.
    """
    from caffe2py.evaluate.detection import detect

    with working(f"running {net.prototxt}"):
        found, notes = detect(net.load(deploy=True), images, **settings)
    print_images(found, notes, as_json, _lines)


def _lines(image: Any) -> Iterator[str]:
    yield f"{image.image}: {len(image.things) or 'nothing'} found"
    if image.things:
        yield f"  {'score':>8}  {'left':>6} {'top':>6} {'right':>6} {'bottom':>6}  label"
    for thing in image.things:
        box = " ".join(f"{x:6.0f}" for x in thing.box)
        yield f"  {thing.score:8.3%}  {box}  {thing.label} {thing.name or ''}".rstrip()
