"""Solvers: every type and learning-rate policy against the record, snapshots both ways. BVLC's test_solver.py, too."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

import caffe2py.pycaffe as caffe
from caffe2py.errors import CaffeError
from caffe2py.proto.net import read_net
from caffe2py.proto.schema import message_class
from caffe2py.runtime.solvers.rates import learning_rate
from caffe2py.runtime.solvers.reading import Source
from caffe2py.runtime.solvers.snapshots import read_state
from tests.helpers.absent import each
from tests.helpers.layer_cases import relative
from tests.helpers.reference import found, reference
from tests.helpers.running import SMALL, write

CASES = [name for path in found("solvers.h5") for name, group in h5py.File(path).items() if "solver" in group.attrs]
CLOSE = 1e-4  # twelve steps, each on rounded gradients
# A bias before a BatchNorm has no gradient but rounding, which these divide by its own size: Caffe does not repeat it.
NOISE = {"adagrad", "rmsprop", "adam"}, {"conv/1", "bn/0"}


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[h5py.File]:
    """The record, in a folder with the files that its solvers name."""
    monkeypatch.chdir(tmp_path)
    with h5py.File(reference("solvers.h5")) as file:
        Path("net.prototxt").write_text(file.attrs["net"])
        Path("list.txt").write_text("data.h5")
        Path("before.caffemodel").write_bytes(bytes(file["before"][()]))
        with h5py.File("data.h5", "w") as data:
            for name in ("data", "label"):
                data[name] = file[f"data/{name}"][()]
        yield file


def solver(record: h5py.File, name: str, extra: str = "") -> caffe.SGDSolver:
    made = caffe.get_solver(write(Path(), f"{record[name].attrs['solver']} {extra}", "solver.prototxt"))
    made.net.copy_from("before.caffemodel")
    return made


def check(made: caffe.SGDSolver, record: h5py.File, name: str) -> None:
    """The weights are those of the record."""
    for layer, blobs in record[f"{name}/after"].items():
        for i, expected in blobs.items():
            if name not in NOISE[0] or f"{layer}/{i}" not in NOISE[1]:
                assert relative(made.net.params[layer][int(i)].data, expected[()]) < CLOSE, f"{layer}/{i}"


@each("name", CASES, "solvers.h5")
def test_recorded(record: h5py.File, name: str) -> None:
    made = solver(record, name)
    losses = []
    for _ in range(12):
        made.step(1)
        losses.append(float(made.net.blobs["loss"].data))
    assert relative(np.array(losses), record[f"{name}/loss"][()]) < CLOSE
    check(made, record, name)


def test_all_are_there() -> None:
    assert len(CASES) == 15


@pytest.mark.parametrize("name", ["sgd_step", "adam"])
@pytest.mark.parametrize("kind", ["BINARYPROTO", "HDF5"])
def test_snapshot_and_restore(record: h5py.File, name: str, kind: str) -> None:
    """Seven iterations, a snapshot, and five more from it: as twelve in one go."""
    made = solver(record, name, f"snapshot_format: {kind}")
    made.step(7)
    made.snapshot()
    end = ".h5" if kind == "HDF5" else ""
    other = solver(record, name)
    other.restore(f"snap_iter_7.solverstate{end}")
    assert other.iter == 7
    for part in ("snap_iter_7.caffemodel", "snap_iter_7.solverstate"):
        assert Path(part + end).exists()
    for _ in range(7):
        other.net.forward(end="in")  # up to the batch that is next
    other.step(5)
    check(other, record, name)


@pytest.mark.parametrize("name", ["sgd_step", "adam"])
def test_caffes_own_snapshot_restores(record: h5py.File, name: str) -> None:
    Path("snap_iter_12.caffemodel").write_bytes(bytes(record[f"{name}/caffemodel"][()]))
    Path("theirs.solverstate").write_bytes(bytes(record[f"{name}/solverstate"][()]))
    made = solver(record, name)
    made.restore("theirs.solverstate")
    check(made, record, name)
    assert made.iter == 12
    made.snapshot()
    ours, theirs = (read_state(p) for p in ("snap_iter_12.solverstate", "theirs.solverstate"))
    assert (ours.iteration, ours.learned_net, ours.step) == (theirs.iteration, theirs.learned_net, theirs.step)
    for a, b in zip(ours.history, theirs.history, strict=True):
        np.testing.assert_array_equal(a, b)
    assert Path("snap_iter_12.solverstate").read_bytes() == Path("theirs.solverstate").read_bytes()
    made.step(1)
    assert np.isfinite(made.net.blobs["loss"].data)


@pytest.mark.parametrize("shape", [[-1, -1], [2**32, 2**32]])
def test_a_state_of_impossible_shape(shape: list[int], tmp_path: Path) -> None:
    blob = {"shape": {"dim": shape}, "data": [1.0] if shape[0] < 0 else []}
    state = message_class("SolverState")(iter=1, history=[blob])
    (tmp_path / "odd.solverstate").write_bytes(state.SerializeToString())
    with pytest.raises(CaffeError, match=r"odd\.solverstate: not a solver's state"):
        read_state(tmp_path / "odd.solverstate")


def test_a_state_that_lies_in_another_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"a secret word\0")
    with h5py.File(tmp_path / "odd.solverstate.h5", "w") as file:
        file.create_group("history")
        file["iter"] = np.array([3])
        outside = [(str(tmp_path / "secret"), 0, 14)]
        file.create_dataset("learned_net", (1,), "S14", external=outside)
    with pytest.raises(CaffeError, match="stored in other files: refused"):
        read_state(tmp_path / "odd.solverstate.h5")


def test_a_solvers_net_keeps_its_dialect(tmp_path: Path) -> None:
    layer = 'layer { name: "n" type: "Normalize" bottom: "x" top: "y" norm_param { across_spatial: false } }'
    (tmp_path / "net.prototxt").write_text(f'input: "x" input_dim: 1 input_dim: 2 input_dim: 1 input_dim: 1 {layer}')
    source = Source("", read_net(tmp_path / "net.prototxt"))
    assert source.net.dialects != ("bvlc",) and source.in_state(0).dialects == source.net.dialects


def test_a_state_of_another_solver(record: h5py.File) -> None:
    solver(record, "sgd_step").snapshot()
    with pytest.raises(CaffeError, match=r"Incorrect length of history blobs\. It holds 9; Adam wants 18"):
        solver(record, "adam").restore("snap_iter_0.solverstate")
    Path("no.solverstate").write_bytes(b"\xff\xff no state")
    with pytest.raises(CaffeError, match="not a solver's state"):
        solver(record, "adam").restore("no.solverstate")


# BVLC's own, in our words -------------------------------------------------------------------------------------------

SOLVER = """net: "net.prototxt" test_iter: 3 test_interval: 10 base_lr: 0.01 momentum: 0.9 weight_decay: 0.0005
lr_policy: "inv" gamma: 0.0001 power: 0.75 display: 20 max_iter: 25 snapshot_after_train: false
snapshot_prefix: "model" """


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> caffe.SGDSolver:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, SMALL)
    made = caffe.SGDSolver(write(tmp_path, SOLVER, "solver.prototxt"))
    for net in (made.net, *made.test_nets):
        net.blobs["label"].data[...] = [1, 4, 0]
    return made


def test_solve(small: caffe.SGDSolver) -> None:
    assert small.iter == 0
    small.solve()
    assert small.iter == 25
    assert small.net.blobs["label"].data.tolist() == [1, 4, 0]  # a constant of DummyData stays what the user made it


def test_apply_update(small: caffe.SGDSolver) -> None:
    weight = small.net.layers[1].blobs[0]
    data = weight.data
    data[...] = 0
    weight.diff[...] = 1
    small.apply_update()
    np.testing.assert_allclose(data, -0.01, rtol=1e-6)
    np.testing.assert_allclose(weight.diff, 0.01, rtol=1e-6)  # the step that was taken
    weight.diff[...] = 0  # and what a user does to it is not what the solver remembers
    small.net.layers[1].blobs[0].diff[...] = 0
    small.apply_update()
    assert (data < -0.015).all()


def test_nets_outlive_their_solver(small: caffe.SGDSolver) -> None:
    nets = [small.net, *small.test_nets]
    assert len(nets) == 2
    del small
    for net in nets:
        assert all(np.isfinite(blob.data).all() for blobs in net.params.values() for blob in blobs)


def test_snapshot_files(small: caffe.SGDSolver) -> None:
    small.snapshot()
    assert sorted(p.name for p in Path().glob("model*")) == ["model_iter_0.caffemodel", "model_iter_0.solverstate"]


def test_callbacks(small: caffe.SGDSolver) -> None:
    seen: list[str] = []
    small.add_callback(lambda: seen.append("start"), lambda: seen.append("ready"))
    small.step(2)
    assert seen == ["start", "ready"] * 2


def test_a_test_net_has_the_weights_that_are_trained(small: caffe.SGDSolver) -> None:
    small.step(1)
    held = small.test_nets[0].params["fc"][1].data
    small.step(1)
    np.testing.assert_array_equal(held, small.net.params["fc"][1].data)


def test_a_seed_repeats_the_run(small: caffe.SGDSolver, tmp_path: Path) -> None:
    ends = []
    for _ in range(2):
        made = caffe.SGDSolver(write(tmp_path, f"{SOLVER} random_seed: 3", "seeded.prototxt"))
        made.step(3)
        ends.append(made.net.params["conv"][0].data.copy())
    np.testing.assert_array_equal(*ends)


WRONG = {
    "no net": ("base_lr: 1", "must specify a train net using one of these fields"),
    "two nets": ('net: "net.prototxt" train_net: "net.prototxt"', "must not contain more than one of these fields"),
    "an unknown type": ('net: "net.prototxt" type: "Sgd"', "Unknown solver type: Sgd"),
    "an unknown policy": ('net: "net.prototxt" lr_policy: "slow"', "Unknown learning rate policy: slow"),
    "an unknown field": ('net: "net.prototxt" base_lrr: 1', "a solver has no base_lrr"),
    "a net": ('name: "net" layer { name: "a" }', "this is a net, not a solver"),
    "tests at no interval": ('net: "net.prototxt" test_iter: 2', "test_interval is 0"),
    "a folder that is not there": (
        'net: "net.prototxt" snapshot: 5 snapshot_prefix: "none/snap"',
        "Cannot write to snapshot prefix 'none/snap'",
    ),
    "states for tests": (
        'net: "net.prototxt" test_iter: 2 test_iter: 3 test_interval: 5 test_state { level: 1 }',
        "test_state must be unspecified or specified once per test net",
    ),
}


@pytest.mark.parametrize(("text", "fact"), WRONG.values(), ids=WRONG)
def test_refused(small: caffe.SGDSolver, tmp_path: Path, text: str, fact: str) -> None:
    with pytest.raises(CaffeError, match=fact):
        caffe.get_solver(write(tmp_path, text, "wrong.prototxt")).step(1)


def test_old_names_of_types(small: caffe.SGDSolver, tmp_path: Path) -> None:
    made = caffe.get_solver(write(tmp_path, 'net: "net.prototxt" solver_type: NESTEROV', "old.prototxt"))
    assert isinstance(made, caffe.NesterovSolver)
    with pytest.raises(RuntimeError, match="Could not open file none"):
        caffe.get_solver("none")


POLICIES = {
    "fixed": ({}, [0.1] * 4),
    "step": ({"gamma": 0.5, "stepsize": 2}, [0.1, 0.1, 0.05, 0.05]),
    "exp": ({"gamma": 0.5}, [0.1, 0.05, 0.025, 0.0125]),
    "inv": ({"gamma": 1, "power": 1}, [0.1, 0.05, 0.1 / 3, 0.025]),
    "multistep": ({"gamma": 0.1, "stepvalue": [1, 3]}, [0.1, 0.01, 0.01, 0.001]),
    "poly": ({"power": 2, "max_iter": 4}, [0.1, 0.05625, 0.025, 0.00625]),
    "sigmoid": ({"gamma": -1, "stepsize": 1}, [0.1 / (1 + np.exp(-1.0)), 0.05, 0.1 / (1 + np.exp(1.0)), None]),
}


@pytest.mark.parametrize("policy", POLICIES)
def test_learning_rates(policy: str) -> None:
    settings, expected = POLICIES[policy]
    param = message_class("SolverParameter")(base_lr=0.1, lr_policy=policy, **settings)
    step = 0
    for iteration, rate in enumerate(expected):
        found, step = learning_rate(param, iteration, step)
        if rate is not None:
            np.testing.assert_allclose(found, rate, rtol=1e-6)


BEYOND = {  # iteration 5000, where C's pow and exp say what they say
    "exp": ({"gamma": 3.0}, np.inf),
    "poly": ({"power": 0.5, "max_iter": 4}, np.nan),
    "sigmoid": ({"gamma": -1.0}, 0.0),
}


@pytest.mark.parametrize("policy", BEYOND)
def test_learning_rates_beyond_what_there_is(policy: str) -> None:
    settings, expected = BEYOND[policy]
    param = message_class("SolverParameter")(base_lr=0.1, lr_policy=policy, **settings)
    np.testing.assert_equal(learning_rate(param, 5000, 0)[0], expected)


TOGETHER = """
import json, sys
import caffe2py.pycaffe as caffe
from caffe2py.runtime.solvers.together import join_torchrun, leave, train_together
assert join_torchrun(gpu=False)
solver = caffe.SGDSolver("two.prototxt")
solver.net.copy_from("before.caffemodel")
train_together(solver)
solver.step(6)
if caffe.solver_rank() == 0:
    json.dump({n: [b.data.tolist() for b in bs] for n, bs in solver.net.params.items()}, open("two.json", "w"))
leave()
"""


BY_NCCL = """
import json
import multiprocessing
import caffe2py.pycaffe as caffe

def train(rank, uid):
    caffe.set_solver_count(2)
    caffe.set_solver_rank(rank)
    caffe.set_multiprocess(True)
    solver = caffe.SGDSolver("two.prototxt")
    if rank == 0:
        solver.net.copy_from("before.caffemodel")
    nccl = caffe.NCCL(solver, uid)
    nccl.bcast()
    solver.add_callback(nccl)
    solver.net.after_backward(nccl)
    solver.step(6)
    if rank == 0:
        json.dump({n: [b.data.tolist() for b in bs] for n, bs in solver.net.params.items()}, open("two.json", "w"))

if __name__ == "__main__":
    assert caffe.has_nccl()
    uid = caffe.NCCL.new_uid()
    assert isinstance(uid, bytes)
    started = [multiprocessing.get_context("spawn").Process(target=train, args=(r, uid)) for r in (0, 1)]
    for process in started:
        process.start()
    for process in started:
        process.join()
    assert all(process.exitcode == 0 for process in started)
"""


@pytest.mark.parametrize("way", ["torchrun", "NCCL"])
def test_two_processes_are_one_with_iter_size_two(record: h5py.File, way: str) -> None:
    """Each takes every other row; the net has no BatchNorm, whose statistics are each process's own."""
    net = Path("net.prototxt").read_text().splitlines()
    Path("net.prototxt").write_text("\n".join(line for line in net if '"bn"' not in line and '"scale"' not in line))
    text = record["sgd_fixed"].attrs["solver"]
    write(Path(), text, "two.prototxt")
    Path("train.py").write_text(TOGETHER if way == "torchrun" else BY_NCCL)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*(torchrun if way == "torchrun" else []), "train.py"]
    python = [__import__("sys").executable]
    root = str(Path(__file__).resolve().parents[2])
    environment = {**__import__("os").environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*python, *command], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    one = caffe.SGDSolver(write(Path(), f"{text} iter_size: 2", "one.prototxt"))
    one.net.copy_from("before.caffemodel")
    one.step(6)
    two = json.loads(Path("two.json").read_text())
    for name, blobs in one.net.params.items():
        for i, blob in enumerate(blobs):
            assert relative(np.array(two[name][i], np.float32), blob.data) < 1e-5, f"{name}/{i}"
