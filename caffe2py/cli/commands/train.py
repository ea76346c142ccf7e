"""caffe2py train"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import click

from caffe2py.cli.common import progress
from caffe2py.cli.files import Command, Input
from caffe2py.cli.running import flag, net_flags, stages, use_device

if TYPE_CHECKING:
    from caffe2py.runtime.solvers.solver import RunningSolver

EFFECTS = click.Choice(["stop", "snapshot", "none"])


@click.command(cls=Command, short_help="Train a net as the command caffe does, with its log lines")
@flag("solver", type=Input(), required=True, metavar="SOLVER.prototxt", help="The solver definition.")
@flag("snapshot", type=Input(), metavar="FILE.solverstate", help="Go on from this state.")
@flag("weights", type=Input(), metavar="FILE", help="Start from these weights; commas between several: fine-tuning.")
@net_flags
@flag("sigint_effect", type=EFFECTS, default="stop", show_default=True, help="What the signal SIGINT does.")
@flag("sighup_effect", type=EFFECTS, default="snapshot", show_default=True, help="What the signal SIGHUP does.")
def command(
    solver: str,
    snapshot: str | None,
    weights: str | None,
    gpu: str,
    level: int,
    stage: str,
    sigint_effect: str,
    sighup_effect: str,
) -> None:
    """Train the net that SOLVER.prototxt names, from scratch, from a snapshot, or from weights.

    The log is Caffe's own, on stderr; the first Ctrl-C writes a snapshot and stops. On several devices or machines:

    \b
      torchrun --nproc-per-node 4 -m caffe2py train --solver SOLVER.prototxt

    Each process then takes its own batches, and gradients are averaged, as Caffe's multi-GPU training did.
    """
    from caffe2py.errors import CaffeError
    from caffe2py.runtime.glog import log
    from caffe2py.runtime.nets.net import RunningNet
    from caffe2py.runtime.solvers.reading import read_solver
    from caffe2py.runtime.solvers.solver import RunningSolver
    from caffe2py.runtime.solvers.together import join_torchrun, leave, train_together

    if snapshot and weights:
        raise CaffeError("Give a snapshot to resume training or weights to finetune but not both.")
    together = join_torchrun(bool(gpu))
    try:
        param = read_solver(solver)
        param.train_state.level = level
        param.train_state.stage.extend(stages(stage))
        if not together:
            use_device(gpu, 197)
        if snapshot or weights:
            param.ClearField("weights")
            param.weights.extend([weights] if weights else [])
        made: RunningSolver[RunningNet] = RunningSolver(param, solver, RunningNet)
        _heed_signals(made, sigint_effect, sighup_effect)
        if snapshot:
            log("caffe.cpp:235", f"Resuming from {snapshot}")
            made.load_state(snapshot)
        if together:
            train_together(made)
        log("caffe.cpp:239", "Starting Optimization")
        _run(made)
        log("caffe.cpp:250", "Optimization Done.")
    finally:
        if together:
            leave()


def _run(solver: RunningSolver) -> None:
    """Train; where the log tells nothing for long, a bar does."""
    if solver.param.display or not sys.stderr.isatty():
        solver.run()
        return
    left = iter(progress(range(solver.param.max_iter - solver.iteration), "training"))
    solver.add_callbacks(lambda: next(left, None), lambda: None)
    solver.run()
    next(left, None)


def _heed_signals(solver: RunningSolver, interrupt: str, hangup: str) -> None:
    wishes: list[str] = []
    effects = {signal.SIGINT: interrupt}
    if hasattr(signal, "SIGHUP"):
        effects[signal.SIGHUP] = hangup
    for number, effect in effects.items():
        if effect != "none":
            signal.signal(number, lambda number, _frame: wishes.append(effects[signal.Signals(number)]))
    solver.wish = lambda: wishes.pop(0) if wishes else None
