"""caffe2py show"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from caffe2py.cli.common import (
    NetFiles,
    json_option,
    line_width,
    lines_of,
    net_files,
    note,
    print_json,
    say,
    wide_option,
    working,
)
from caffe2py.cli.files import Command, Output
from caffe2py.proto.forks import OWN

if TYPE_CHECKING:
    from caffe2py.graph import Graph


@click.command(cls=Command, short_help="Print a net as a table: layers, shapes, parameters, multiply-adds")
@net_files()
@click.option(
    "--svg", type=Output(), metavar="OUT.svg", help="Draw the net, its repeated blocks folded, instead of the table."
)
@click.option(
    "--html", type=Output(), metavar="OUT.html", help="The picture as a page where blocks open, with the table."
)
@wide_option
@click.option("--blocks", is_flag=True, help="Print what repeats in the net, as an outline, instead of the table.")
@json_option
def command(net: NetFiles, svg: str | None, html: str | None, wide: bool, blocks: bool, as_json: bool) -> None:
    """Print NET.prototxt layer by layer: what each is, reads and makes, its parameters and multiply-adds.

    The weights are not needed; where they are given, they are checked against the net.

    The pictures need no other program: pip install 'caffe2py[report]'. They open in any browser, without a network.
    """

    from caffe2py.graph.gradient_flow import overwrites
    from caffe2py.graph.table import table_text

    graph = net.load()
    lost = [f"{found}: its gradient is not its own function's in Caffe" for found in overwrites(graph)]
    for line in lost:
        note(line)
    if svg:
        from caffe2py.picture.draw import to_svg

        with working(f"drawing {svg}"):
            to_svg(graph, svg)
    if html:
        from caffe2py.picture.page import to_html

        with working(f"drawing {html}"):
            to_html(graph, html)
    if blocks:
        _show_blocks(graph, as_json)
    elif as_json:
        print_json(
            {
                "net": graph.name,
                "phase": graph.phase,
                "dialects": graph.dialects,
                "inputs": graph.inputs,
                "outputs": graph.outputs,
                "layers": [dataclasses.asdict(row) for row in graph.rows()],
                "totals": dataclasses.asdict(graph.totals()),
                "notes": [*graph.notes, *lost],
            }
        )
    else:
        said = graph.totals() if svg or html else table_text(graph.rows(), graph.totals(), line_width(wide))
        say(*lines_of(said))
        if graph.dialects != (OWN,):
            say(f"dialect: {', '.join(graph.dialects)}")


def _show_blocks(graph: Graph, as_json: bool) -> None:
    """What repeats, after the passes that the net goes through before it is written."""
    from caffe2py.passes import FLAT
    from caffe2py.structure.outline import Outline

    for change in FLAT:
        graph = change(graph)
    outline = Outline(graph)
    if as_json:
        print_json({"net": graph.name, "blocks": outline.values()})
    else:
        say(*lines_of(outline))
