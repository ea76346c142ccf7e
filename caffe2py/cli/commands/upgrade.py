"""caffe2py upgrade"""

from __future__ import annotations

import click

from caffe2py.cli.common import dialect_option, json_option, note, print_json, say, set_option, working
from caffe2py.cli.files import Command, Input, Output


@click.command(cls=Command, short_help="Rewrite a prototxt, solver or caffemodel of 2013 or 2014 in today's format")
@click.argument("old", type=Input(), metavar="OLD")
@click.option("-o", "--output", "out", type=Output(), required=True, metavar="NEW", help="The file to write.")
@dialect_option
@set_option
@json_option
def command(old: str, out: str, dialect: str | None, variables: tuple[tuple[str, str], ...], as_json: bool) -> None:
    """Write OLD, in whatever format of Caffe's it is, as NEW in today's.

    OLD is a net (.prototxt), a solver (.prototxt) or weights (.caffemodel); which of them is told by its content. V0
    and V1 layers, `input` fields and solver_type are upgraded as Caffe itself does it. Weights go over bit for bit, and
    a fork's fields with the numbers that they have there. The comments of a prototxt are lost.
    """
    from caffe2py.proto.upgrade.file import upgrade

    with working(f"reading {old}"):
        done = upgrade(old, out, dialect, dict(variables))
    if as_json:
        print_json({"file": out, "kind": done.kind, "notes": done.notes})
        return
    for line in done.notes:
        note(line)
    say(f"{out}  {done.kind}")
