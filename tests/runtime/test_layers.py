"""Every recorded layer in a running net: forward and backward, stepwise splits and all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffe2py.proto.net import parse_net
from caffe2py.runtime.nets.net import RunningNet
from tests.helpers.absent import each
from tests.helpers.layer_cases import Case, cases, layer_cases, relative
from tests.helpers.recorded_nets import recorded_nets
from tests.helpers.tables.differing import LOADED, NUMBERS

# As tests/layers/test_layers.py: float32 sums in another order; gradients sum once more.
FORWARD, BACKWARD = 2e-5, 1e-4
POWER = """force_backward: true
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 3 } } }
layer { name: "y" type: "Power" bottom: "x" top: "y" power_param { WORDS } }"""
MORE_AXES = """force_backward: true
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 4 } } }
layer { name: "y" type: "Power" bottom: "x" top: "y" power_param { scale: 2 } }
layer { name: "m" type: "MVN" bottom: "y" top: "y" }"""
LAYERS = layer_cases()
CASES = [
    *LAYERS,
    *(c for p in ("random/backward", "faults/runs") for c in cases(p) if c.id not in {**NUMBERS, **LOADED}),
]


def running(case: Case, folder: Path) -> RunningNet:
    (folder / "weights").write_bytes(case.caffemodel)
    made = RunningNet(parse_net(case.prototxt, "net.prototxt"), case.phase, 0, case.stages)
    made.load_weights(folder / "weights")
    for name, values in case.inputs.items():
        made.named_blobs[name].reshape(*values.shape)
        made.named_blobs[name].data[...] = values
    return made


@each("case", CASES, "layers/, forks/, random/ and faults/", ids=lambda c: c.id)
def test_recorded(case: Case, tmp_path: Path) -> None:
    made = running(case, tmp_path)
    made.run_forward()
    blobs = made.named_blobs
    for name, expected in case.tops.items():
        if name in blobs:
            assert relative(blobs[name].data, expected) < FORWARD, name
    if not case.in_diff and not case.param_diff:
        return
    for name, values in case.top_diff.items():
        blobs[name].diff[...] = values
    made.run_backward()
    learned = {f"{op.name}/{i}": blob for op in made.operators for i, blob in enumerate(op.blobs)}
    for name, expected in case.in_diff.items():
        assert relative(blobs[name].diff, expected) < BACKWARD, name
    for key, expected in case.param_diff.items():
        assert relative(learned[key].diff, expected) < BACKWARD, key
    for key, expected in case.param_after.items():
        assert relative(learned[key].data, expected) < FORWARD, key


@pytest.mark.parametrize("power, scale, shift", [(3, 1, 0), (0.5, 2, 0), (-1, 2, -2), (2, 3, 0), (1, 3, 0)])
def test_the_gradient_of_a_power_divides_by_what_it_is_a_power_of(power: float, scale: float, shift: float) -> None:
    """power_layer.cpp: NaN at 0, but for powers of 1 and 2."""
    made = RunningNet(parse_net(POWER.replace("WORDS", f"power: {power} scale: {scale} shift: {shift}")))
    x = np.array([0, 1, 4], np.float32)
    made.named_blobs["x"].data[...] = x
    made.run_forward()
    made.named_blobs["y"].diff[...] = 1
    made.run_backward()
    base = scale * x + shift
    with np.errstate(all="ignore"):
        want = power * scale * (base if power == 2 else base**power / base if power != 1 else 1)
    np.testing.assert_allclose(made.named_blobs["x"].diff, want, rtol=1e-6)  # a few operations of float32


@each("case", LAYERS, "layers/ and forks/", ids=lambda c: c.id)
def test_the_operators_are_the_layers_that_caffe_had(case: Case, tmp_path: Path) -> None:
    """The Splits that it puts in, too."""
    assert case.layers and [(op.name, op.type) for op in running(case, tmp_path).operators] == case.layers


def test_a_layer_in_place_gives_its_blob_more_axes() -> None:
    """MVN makes four axes, from the beginning on; the layer before it has what it had."""
    made = RunningNet(parse_net(MORE_AXES))
    x, dy = np.random.default_rng(3).normal(size=(2, 2, 3, 4)).astype(np.float32)
    for _ in range(2):
        assert made.named_blobs["y"].shape == (2, 3, 4, 1)
        made.named_blobs["x"].data[...] = x
        made.run_forward()
    deviation = x.std(2, keepdims=True)
    # Means of four float32 numbers, in another order; the gradient takes them twice, and differences of them.
    y = (x - x.mean(2, keepdims=True)) / deviation
    np.testing.assert_allclose(made.named_blobs["y"].data[..., 0], y, rtol=1e-5, atol=1e-6)
    made.named_blobs["y"].diff[..., 0] = dy
    made.run_backward()
    want = 2 * (dy - y * (dy * y).mean(2, keepdims=True) - dy.mean(2, keepdims=True)) / (2 * deviation)
    np.testing.assert_allclose(made.named_blobs["x"].diff, want, rtol=1e-4, atol=1e-5)


def test_all_cases_are_there() -> None:
    assert len(CASES) >= 150 and {c.phase for c in CASES} == {"TRAIN", "TEST"}


def test_quick_and_slow_passes_leave_the_same_blobs(tmp_path: Path) -> None:
    """Fused steps against single ones, on a net of BatchNorm, Scale and ReLU in place."""
    net = next(n for n in recorded_nets("tiny") if "SENet-154" in n.id)
    made = RunningNet(parse_net(net.prototxt.read_text()))
    made.load_weights(net.caffemodel(tmp_path))
    made.named_blobs["data"].data[...] = np.random.default_rng(0).uniform(-100, 100, made.named_blobs["data"].shape)
    made.run_forward()
    quick = {name: blob.data.copy() for name, blob in made.named_blobs.items()}
    for i in range(len(made.operators)):
        made.run_forward(i, i)
    errors = {name: relative(quick[name], blob.data) for name, blob in made.named_blobs.items()}
    assert max(errors.values()) < FORWARD, max(errors, key=lambda k: errors[k])
