"""caffe2py table"""

from __future__ import annotations

from typing import Any

import click

from caffe2py.cli.common import line_width, lines_of, note, print_json, say, wide_option
from caffe2py.cli.files import Command, Input
from caffe2py.cli.image_options import (
    BATCHES,
    CLASSES,
    ENGINE,
    LABELLED,
    PREPROCESSING,
    counting,
    first_process,
    options,
)


@click.command(cls=Command, short_help="Measure the published error table of the SENet release again")
@click.option(
    "--weights", type=Input(), required=True, metavar="DIR", help="The folder of the caffemodels; searched through."
)
@click.option("--model", "models", multiple=True, metavar="NAME", help="Only this release; may be given several times.")
@options(LABELLED, CLASSES, PREPROCESSING, ENGINE, BATCHES)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "csv", "json"]),
    default="text",
    show_default=True,
    help="How the table is printed.",
)
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, as --format json does.")
def command(form: str, wide: bool, as_json: bool, **settings: Any) -> None:
    """Find the caffemodels in DIR by size and hash, evaluate those that are there, and say where the others came from.

    Prints published | measured | difference | what others measured. The prototxts come with caffe2py. A stopped
    run goes on with -o FOLDER --resume; several processes share the work when started by torchrun.
    """
    from caffe2py.evaluate.published import table
    from caffe2py.evaluate.reports import table_csv, table_markdown, table_text

    if settings["out"] is None:
        note("nothing is kept of a run that is stopped; -o FOLDER keeps it, and --resume goes on with it")
    with counting(f"looking through {settings['weights']}") as bars:
        made = table(progress=bars, **settings)
    if not first_process():
        return
    if as_json or form == "json":
        print_json(made.to_json())
    else:
        forms = {"markdown": table_markdown, "csv": table_csv}
        text = forms[form](made) if form in forms else table_text(made, line_width(wide))
        say(*lines_of(text))
