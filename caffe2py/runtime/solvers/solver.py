"""The loop: forward, backward, a step; tests, log lines and snapshots in between (solver.cpp, sgd_solver.cpp)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from caffe2py.errors import CaffeError
from caffe2py.proto.text.writer import format_message
from caffe2py.runtime.glog import log, number, weighed
from caffe2py.runtime.mode import is_root, seed, workers
from caffe2py.runtime.nets.net import RunningNet
from caffe2py.runtime.solvers.rates import learning_rate
from caffe2py.runtime.solvers.reading import test_sources, train_source
from caffe2py.runtime.solvers.rules import KINDS, decayed
from caffe2py.runtime.solvers.snapshots import State, read_state, write_state

N = TypeVar("N", bound=RunningNet)
Callback = Callable[[], object]
STOP, SNAPSHOT = "stop", "snapshot"


class RunningSolver(Generic[N]):
    """A solver of one of Caffe's types, with its nets. `file` is where `param`, a SolverParameter, was read from.

    `wish` is asked after each iteration: "stop", "snapshot" or None. Raises `CaffeError` where Caffe would abort.
    """

    def __init__(self, param: Any, file: str, make: Callable[..., N], kind: str | None = None) -> None:
        self.param = param
        self.iteration = 0
        self.wish: Callable[[], str | None] = lambda: None
        self._kind = kind or param.type
        log("solver.cpp:45", f"Initializing solver from parameters: \n{format_message(param).rstrip()}")
        self._check(file)
        if param.random_seed >= 0:
            seed(param.random_seed + workers()[1])
        source = train_source(param, file)
        log("solver.cpp:102", f"Creating training net {source.said}")
        self.train_net: N = make(source.in_state(0, param.train_state), None, None)
        self._load(self.train_net)
        self.tested: list[N] = []
        for i, (tested, state) in enumerate(test_sources(param, file)):
            log("solver.cpp:190", f"Creating test net (#{i}) specified by {tested.said}")
            self.tested.append(make(tested.in_state(1, state), None, None))
            self._load(self.tested[-1])
        log("solver.cpp:57", "Solver scaffolding done.")
        self._rule = KINDS[self._kind]
        self._specs = self.train_net.specs.owned
        self._history = [
            torch.zeros(spec.blob.shape) for _ in range(self._rule.histories) for spec in self._specs
        ]  # all first ones, then all second ones, as Caffe keeps them
        self._callbacks: list[tuple[Callback, Callback]] = []
        self._step = 0
        self._stopped = False
        self._losses: list[np.float32] = []
        self._smooth = np.float32(0)
        self._shown = (time.perf_counter(), 0)

    def _check(self, file: str) -> None:
        param = self.param
        if param.average_loss < 1:
            raise CaffeError("average_loss should be non-negative.", file)
        if param.iter_size < 1:
            raise CaffeError(f"iter_size is {param.iter_size}; want at least 1", file)
        if param.regularization_type not in ("L1", "L2"):
            raise CaffeError(f"Unknown regularization type: {param.regularization_type}; want L1 or L2", file)
        folder = Path(param.snapshot_prefix).parent
        if is_root() and param.snapshot and not (folder.is_dir() and os.access(folder, os.W_OK)):
            raise CaffeError(
                f"Cannot write to snapshot prefix '{param.snapshot_prefix}'.  Make sure that the directory exists and "
                "is writable.",
                file,
            )

    def _load(self, net: N) -> None:
        for name in (name.strip() for names in self.param.weights for name in names.split(",")):
            log("solver.cpp:89", f"Finetuning from {name}")
            net.load_weights(name)

    # The loop -------------------------------------------------------------------------------------------------------

    def run(self, resume: str | None = None) -> None:
        """Train to `max_iter`, from a saved state where one is given; a snapshot and a test at the end."""
        param = self.param
        log("solver.cpp:289", f"Solving {self.train_net.graph.name}")
        log("solver.cpp:290", f"Learning Rate Policy: {param.lr_policy}")
        self._stopped = False
        if resume:
            log("solver.cpp:297", f"Restoring previous solver status from {resume}")
            self.load_state(resume)
        first = self.iteration
        self.advance(param.max_iter - self.iteration)
        if param.snapshot_after_train and (not param.snapshot or self.iteration % param.snapshot):
            self.save_state()
        if self._stopped:
            log("solver.cpp:316", "Optimization stopped early.")
            return
        if param.display and self.iteration % param.display == 0:
            self._smoothed(np.float32(self.train_net.run_forward(record=False)), first)
            log("solver.cpp:327", f"Iteration {self.iteration}, loss = {number(self._smooth)}")
        if param.test_interval and self.iteration % param.test_interval == 0:
            self.test_all()
        log("solver.cpp:332", "Optimization Done.")

    def advance(self, count: int) -> None:
        """`count` iterations more."""
        param, first = self.param, self.iteration
        self._losses, self._smooth = [], np.float32(0)
        self._shown = (time.perf_counter(), self._shown[1])
        while self.iteration < first + count:
            self.train_net.clear_diffs()
            if (
                param.test_interval
                and self.iteration % param.test_interval == 0
                and (self.iteration > 0 or param.test_initialization)
            ):
                self.test_all()
                if self._stopped:
                    break
            for start, _ in self._callbacks:
                start()
            loss = np.float32(0)
            for _ in range(param.iter_size):
                loss += np.float32(self.train_net.run_forward())
                self.train_net.run_backward()
            self._smoothed(loss / np.float32(param.iter_size), first)
            if param.display and self.iteration % param.display == 0:
                self._show()
            for _, ready in self._callbacks:
                ready()
            self.apply()
            wish = self.wish()
            if (param.snapshot and self.iteration % param.snapshot == 0 and is_root()) or wish == SNAPSHOT:
                self.save_state()
            if wish == STOP:
                self._stopped = True
                break

    def apply(self) -> None:
        """Turn the diffs of the learned blobs into steps, and take them."""
        param = self.param
        rate, self._step = learning_rate(param, self.iteration, self._step)
        if param.display and self.iteration % param.display == 0:
            log("sgd_solver.cpp:112", f"Iteration {self.iteration}, lr = {number(rate)}")
        with torch.no_grad():
            self._clip()
            for i, spec in enumerate(self._specs):
                data, g = spec.blob.tensor(), spec.blob.gradient()
                if param.iter_size != 1:
                    g.mul_(1 / param.iter_size)
                g = decayed(g, data, param.weight_decay * spec.decay, param.regularization_type)
                histories = self._histories(i, data.device)
                step = self._rule.rule(param, self.iteration, g, histories, rate * spec.lr)
                data.sub_(step)
                spec.blob.diff_memory.lend(step)
        self.iteration += 1

    def _histories(self, index: int, device: torch.device) -> list[torch.Tensor]:
        places = range(index, len(self._history), len(self._specs))
        for place in places:
            if self._history[place].device != device:
                self._history[place] = self._history[place].to(device)
        return [self._history[place] for place in places]

    def _clip(self) -> None:
        most = self.param.clip_gradients
        if most < 0:
            return
        diffs = [spec.blob.gradient() for spec in self._specs]
        norm = float(sum(float(torch.dot(g.view(-1), g.view(-1))) for g in diffs)) ** 0.5
        if norm > most:
            factor = most / norm
            said = f"(L2 norm {number(norm)} > {number(most)}) by scale factor {number(factor)}"
            log("sgd_solver.cpp:92", f"Gradient clipping: scaling down gradients {said}")
            for g in diffs:
                g.mul_(factor)

    def add_callbacks(self, on_start: Callback, on_gradients_ready: Callback) -> None:
        """Have these called before each iteration, and before each update."""
        self._callbacks.append((on_start, on_gradients_ready))

    # What it tells --------------------------------------------------------------------------------------------------

    def _smoothed(self, loss: np.float32, first: int) -> None:
        """The mean over the last `average_loss` losses, as Caffe keeps it."""
        most = self.param.average_loss
        if len(self._losses) < most:
            self._losses.append(loss)
            size = np.float32(len(self._losses))
            self._smooth = (self._smooth * (size - 1) + loss) / size
        else:
            at = (self.iteration - first) % most
            self._smooth += (loss - self._losses[at]) / np.float32(most)
            self._losses[at] = loss

    def _show(self) -> None:
        now = time.perf_counter()
        lapse, done = now - self._shown[0], self.iteration - self._shown[1]
        speed = f"{number(done / (lapse or 1))} iter/s, {number(lapse)}s/{self.param.display} iters"
        log("solver.cpp:239", f"Iteration {self.iteration} ({speed}), loss = {number(self._smooth)}")
        self._shown = (now, self.iteration)
        for i, (name, value, weight) in enumerate(self.train_net.scores()):
            log("solver.cpp:258", f"    Train net output #{i}: {name} = {number(value)}{weighed(value, weight)}")

    def test_all(self) -> None:
        """Run each test net as often as `test_iter` says, and tell the means of its outputs. The root alone does so."""
        if not is_root():
            return
        for i, net in enumerate(self.tested):
            if self._stopped:
                return
            self._test(i, net)

    def _test(self, index: int, net: N) -> None:
        log("solver.cpp:347", f"Iteration {self.iteration}, Testing net (#{index})")
        net.share_weights(self.train_net)
        count = self.param.test_iter[index]
        total: list[np.float32] = []
        named: list[tuple[str, float]] = []
        loss = np.float32(0)
        for _ in range(count):
            if self.wish() == STOP:
                self._stopped = True
                log("solver.cpp:395", "Test interrupted.")
                return
            loss += np.float32(net.run_forward(record=False))
            scores = net.scores()
            named = [(name, weight) for name, _, weight in scores]
            values = [np.float32(value) for _, value, _ in scores]
            total = [a + b for a, b in zip(total, values, strict=True)] if total else values
        if self.param.test_compute_loss:
            log("solver.cpp:400", f"Test loss: {number(loss / np.float32(count))}")
        for i, ((name, weight), value) in enumerate(zip(named, total, strict=True)):
            mean = value / np.float32(count)
            log("solver.cpp:414", f"    Test net output #{i}: {name} = {number(mean)}{weighed(mean, weight)}")

    # Its state on disk ----------------------------------------------------------------------------------------------

    def save_state(self) -> None:
        """Write the weights and the solver's state, `PREFIX_iter_N.caffemodel` and `.solverstate`."""
        hdf5 = self.param.snapshot_format == 0
        kind, end = ("HDF5", ".h5") if hdf5 else ("binary proto", "")
        stem = f"{self.param.snapshot_prefix}_iter_{self.iteration}"
        log(f"solver.cpp:{472 if hdf5 else 464}", f"Snapshotting to {kind} file {stem}.caffemodel{end}")
        self.train_net.write(f"{stem}.caffemodel{end}", hdf5, bool(self.param.snapshot_diff))
        line = 298 if hdf5 else 284
        log(f"sgd_solver.cpp:{line}", f"Snapshotting solver state to {kind} file {stem}.solverstate{end}")
        history = [h.cpu().numpy() for h in self._history]
        write_state(f"{stem}.solverstate{end}", State(self.iteration, f"{stem}.caffemodel{end}", self._step, history))

    def load_state(self, path: str | os.PathLike[str]) -> None:
        """Go on from a saved state; the weights are where it says, or beside it."""
        state = read_state(path)
        if len(state.history) != len(self._history):
            raise CaffeError(
                f"Incorrect length of history blobs. It holds {len(state.history)}; {self._kind} wants "
                f"{len(self._history)}",
                os.fspath(path),
            )
        if state.learned_net:
            beside = Path(path).parent / Path(state.learned_net).name
            there = Path(state.learned_net).exists() or not beside.exists()
            self.train_net.load_weights(state.learned_net if there else beside)
        self.iteration, self._step = state.iteration, state.step
        log(f"sgd_solver.cpp:{336 if not os.fspath(path).endswith('.h5') else 358}", "SGDSolver: restoring history")
        for own, stored in zip(self._history, state.history, strict=True):
            if own.numel() != stored.size:
                raise CaffeError(f"a history of shape {stored.shape}; want {tuple(own.shape)}", os.fspath(path))
            own.copy_(torch.from_numpy(stored).reshape(own.shape))
