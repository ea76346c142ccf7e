"""`caffe.SGDSolver` and the other solver types, and `caffe.get_solver`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from caffe2py.pycaffe.net import Path, PycaffeNet
from caffe2py.runtime.solvers.reading import read_solver
from caffe2py.runtime.solvers.solver import RunningSolver


class Solver(RunningSolver[PycaffeNet]):
    """A solver of a type of Caffe's, by the file that describes it."""

    kind: str | None = None  # the type, whatever the file says

    def __init__(self, solver_file: Path) -> None:
        if not os.path.exists(solver_file):
            raise RuntimeError(f"Could not open file {os.fspath(solver_file)}")
        super().__init__(read_solver(solver_file), os.fspath(solver_file), PycaffeNet, self.kind)

    @property
    def net(self) -> PycaffeNet:
        """The net that is trained."""
        return self.train_net

    @property
    def test_nets(self) -> list[PycaffeNet]:
        """The nets that are tested."""
        return self.tested

    @property
    def iter(self) -> int:
        """How often the weights have been updated."""
        return self.iteration

    @property
    def type(self) -> str:
        """The solver's type."""
        return self._kind

    def step(self, iters: int) -> None:
        """So many iterations more, with the tests and snapshots that fall into them."""
        self.advance(iters)

    def solve(self, resume_file: str | None = None) -> None:
        """Train to `max_iter`, from a `.solverstate` where one is given."""
        self.run(resume_file)

    def apply_update(self) -> None:
        """Take one step by the diffs as they stand."""
        self.apply()

    def snapshot(self) -> None:
        """Write the weights and the solver's state, as `snapshot_prefix` names them."""
        self.save_state()

    def restore(self, state_file: Path) -> None:
        """Go on from a `.solverstate`."""
        self.load_state(state_file)

    def share_weights(self, net: PycaffeNet) -> None:
        """Train the weights of another net."""
        self.train_net.share_with(net)

    def add_callback(self, on_start: Any, on_gradients_ready: Callable[[], object] | None = None) -> None:
        """Have these called before each iteration, and before each update; a `caffe.NCCL` alone brings both."""
        if on_gradients_ready is None:
            on_start, on_gradients_ready = on_start.on_start, on_start.on_gradients_ready
        self.add_callbacks(on_start, on_gradients_ready)


class SGDSolver(Solver):
    kind = "SGD"


class NesterovSolver(Solver):
    kind = "Nesterov"


class AdaGradSolver(Solver):
    kind = "AdaGrad"


class RMSPropSolver(Solver):
    kind = "RMSProp"


class AdaDeltaSolver(Solver):
    kind = "AdaDelta"


class AdamSolver(Solver):
    kind = "Adam"


SOLVERS: dict[str, type[Solver]] = {
    str(cls.kind): cls for cls in (SGDSolver, NesterovSolver, AdaGradSolver, RMSPropSolver, AdaDeltaSolver, AdamSolver)
}


def get_solver(filename: Path) -> Any:
    """The solver that a file describes, of the type that it names."""
    if not os.path.exists(filename):
        raise RuntimeError(f"Could not open file {os.fspath(filename)}")
    return SOLVERS[read_solver(filename).type](filename)
