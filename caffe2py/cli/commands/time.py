"""caffe2py time"""

from __future__ import annotations

import click

from caffe2py.cli.common import json_option, print_json
from caffe2py.cli.files import Command, Input
from caffe2py.cli.running import flag, net_flags, stages, use_device


@click.command(cls=Command, short_help="Time each layer of a net as the command caffe does, with its log lines")
@flag("model", type=Input(), required=True, metavar="NET.prototxt", help="The net.")
@flag("iterations", type=click.IntRange(1), default=50, show_default=True, help="How many passes.")
@flag(
    "phase",
    type=click.Choice(["TRAIN", "TEST"], case_sensitive=False),
    default="TRAIN",
    show_default=True,
    help="The phase whose layers are run.",
)
@net_flags
@json_option
def command(model: str, iterations: int, phase: str, gpu: str, level: int, stage: str, as_json: bool) -> None:
    """Run NET.prototxt forward and backward, and log the mean milliseconds of each layer."""
    from caffe2py.proto.net import read_net
    from caffe2py.runtime.nets.net import RunningNet
    from caffe2py.runtime.tools.timing import time_net

    use_device(gpu, 343)
    times = time_net(RunningNet(read_net(model), phase.upper(), level, stages(stage)), iterations)
    if as_json:
        layers = {name: {"forward": f, "backward": b} for name, (f, b) in times.layers.items()}
        print_json({"forward": times.forward, "backward": times.backward, "layers": layers})
