"""`caffe.NCCL`: solvers in several processes that train one net, for scripts that start the processes themselves."""

from __future__ import annotations

import socket

from caffe2py.pycaffe.solver import Solver
from caffe2py.runtime.mode import device, workers
from caffe2py.runtime.solvers.together import average_gradients, join, share_start


class NCCL:
    """One of the solvers. `set_solver_count` and `set_solver_rank` are called before, and all are given one `uid`.

    Gradients are averaged by NCCL on GPUs and by Gloo on CPUs: `solver.add_callback(nccl)`.
    """

    def __init__(self, solver: Solver, uid: bytes) -> None:
        self.solver = solver
        count, rank = workers()
        join(rank, count, uid.decode(), gpu=device().type == "cuda")

    @staticmethod
    def new_uid() -> bytes:
        """A place where the processes of this machine can meet; the one that starts them asks for it."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            return f"tcp://127.0.0.1:{free.getsockname()[1]}".encode()

    def bcast(self) -> None:
        """Have every process begin from the root's weights."""
        share_start(self.solver)

    def on_start(self) -> None:
        """Before each iteration."""

    def on_gradients_ready(self) -> None:
        """Before each update."""
        average_gradients(self.solver)

    def __call__(self, layer: int) -> None:
        """As a hook of `net.after_backward`: gradients are averaged before the update, not layer by layer."""
