"""caffe2py identify"""

from __future__ import annotations

import click

from caffe2py.cli.common import json_option, lines_of, print_json, say, working
from caffe2py.cli.files import Command, Input


@click.command(cls=Command, short_help="Say whether a file is a known release")
@click.argument("files", type=Input(), nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--registry", type=Input(), multiple=True, metavar="FILE", help="A TOML of releases, besides the known ones."
)
@json_option
def command(files: tuple[str, ...], registry: tuple[str, ...], as_json: bool) -> None:
    """Look FILE up by size and hash among the known releases: name, source, licence, published error, class order.

    Of a file that is none of them it says what kind of file it is, and which release it resembles.
    """
    from caffe2py.evaluate.releases.identification import identify

    with working("reading"):
        found = [identify(file, registry) for file in files]
    if as_json:
        print_json([identity.to_json() for identity in found])
    else:
        say(*(line for identity in found for line in lines_of(identity)))
