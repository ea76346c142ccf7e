"""caffe2py test"""

from __future__ import annotations

import click

from caffe2py.cli.common import json_option, print_json
from caffe2py.cli.files import Command, Input
from caffe2py.cli.running import flag, net_flags, stages, use_device


@click.command(cls=Command, short_help="Score a net on its own data as the command caffe does, with its log lines")
@flag("model", type=Input(), required=True, metavar="NET.prototxt", help="The net, with its data layers.")
@flag("weights", type=Input(), required=True, metavar="NET.caffemodel", help="Its weights.")
@flag("iterations", type=click.IntRange(1), default=50, show_default=True, help="How many batches.")
@net_flags
@json_option
def command(model: str, weights: str, iterations: int, gpu: str, level: int, stage: str, as_json: bool) -> None:
    """Run NET.prototxt in phase TEST, and log its outputs batch by batch and their means."""
    from caffe2py.proto.net import read_net
    from caffe2py.runtime.nets.net import RunningNet
    from caffe2py.runtime.tools.scoring import score

    use_device(gpu, 275)
    net = RunningNet(read_net(model), "TEST", level, stages(stage))
    net.load_weights(weights)
    means = score(net, range(iterations), iterations)
    if as_json:
        print_json(means)
