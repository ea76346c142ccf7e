"""What the commands that run nets share: Caffe's flags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def flag(name: str, *more: str, **settings: Any) -> Callable[[F], F]:
    """An option as gflags takes it: `--name X`, `--name=X`, and with one dash."""
    return click.option(f"-{name}", f"--{name}", name, *more, **settings)


def net_flags(function: F) -> F:
    """--gpu, --level and --stage."""
    for option in (
        flag("stage", default="", metavar="NAME", help="Stages, for rules with stage or not_stage; commas between."),
        flag("level", type=int, default=0, help="The level, for rules with min_level or max_level."),
        flag("gpu", default="", metavar="N", help='Compute on this GPU, or on "all"; on the CPU if not given.'),
    ):
        function = option(function)
    return function


def use_device(gpu: str, line: int) -> None:
    """Choose the device, and log it as `caffe.cpp:LINE` does."""
    from caffe2py.errors import CaffeError
    from caffe2py.runtime import mode
    from caffe2py.runtime.glog import log

    if not gpu:
        log(f"caffe.cpp:{line}", "Use CPU.")
        mode.use_cpu()
        return
    first = gpu.split(",")[0]
    if first != "all" and not first.isdigit():
        raise CaffeError(f'--gpu is "{gpu}"; want the number of a GPU, or all')
    mode.choose_gpu(0 if first == "all" else int(first))
    mode.use_gpu()
    log(f"caffe.cpp:{line - 4}", f"Use GPU with device ID {0 if first == 'all' else int(first)}")


def stages(text: str) -> list[str]:
    """The stages of a flag; an empty one is a stage without a name, as in Caffe."""
    return text.split(",")
