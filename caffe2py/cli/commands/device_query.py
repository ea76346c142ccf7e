"""caffe2py device_query"""

from __future__ import annotations

import click

from caffe2py.cli.common import json_option, print_json, working
from caffe2py.cli.files import Command
from caffe2py.cli.running import flag


@click.command(cls=Command, short_help="Tell which GPUs torch can use")
@flag("gpu", default="all", metavar="N", help='The GPU to tell of, or "all".')
@json_option
def command(gpu: str, as_json: bool) -> None:
    """Print the properties of the GPUs. It is an error where torch finds none."""
    from caffe2py.errors import CaffeError

    with working("asking torch"):
        import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        raise CaffeError("torch finds no GPU here; nets run on the CPU")
    wanted = range(count) if gpu == "all" else [int(word) for word in gpu.split(",") if word.isdigit()]
    found = []
    for number in wanted:
        if number >= count:
            raise CaffeError(f"there is no GPU {number}; torch finds {count}")
        held = torch.cuda.get_device_properties(number)
        found.append(
            {
                "Device id": number,
                "Major revision number": held.major,
                "Minor revision number": held.minor,
                "Name": held.name,
                "Total global memory": held.total_memory,
                "Number of multiprocessors": held.multi_processor_count,
            }
        )
    if as_json:
        print_json(found)
        return
    for properties in found:
        for word, value in properties.items():
            click.echo(f"{word + ':':<32}{value}")
