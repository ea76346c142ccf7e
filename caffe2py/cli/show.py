"""caffe2py show"""

from __future__ import annotations

import dataclasses

import click

from caffe2py.cli.common import NetFiles, json_option, net_files, print_json


@click.command(short_help="Print a net as a table: layers, shapes, parameters, multiply-adds")
@net_files()
@json_option
def command(net: NetFiles, as_json: bool) -> None:
    """Print NET.prototxt layer by layer: what each is, reads and makes, its parameters and multiply-adds.

    The weights are not needed; where they are given, they are checked against the net.
    """
    from caffe2py.graph.table import rows, table_text, totals

    graph = net.load()
    if as_json:
        print_json(
            {
                "net": graph.name,
                "phase": graph.phase,
                "inputs": graph.inputs,
                "outputs": graph.outputs,
                "layers": [dataclasses.asdict(row) for row in rows(graph)],
                "totals": dataclasses.asdict(totals(graph)),
                "notes": graph.notes,
            }
        )
    else:
        click.echo(table_text(graph))
