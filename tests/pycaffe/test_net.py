"""Nets in Python: what is in them, running them whole and in part, their weights. BVLC's test_net.py, in our words."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

import caffe2py.pycaffe as caffe
from caffe2py.errors import CaffeError
from tests.helpers.layer_cases import relative
from tests.helpers.running import SMALL, net, write


@pytest.fixture
def small(tmp_path: Path) -> caffe.Net:
    made = net(tmp_path, SMALL, caffe.TRAIN)
    made.blobs["label"].data[...] = [5, 0, 2]
    return made


def test_what_is_in_a_net(small: caffe.Net) -> None:
    assert (small.inputs, small.outputs) == ([], ["loss"])
    tops = [("in", ["x", "label"]), ("conv", ["conv"]), ("fc", ["score"]), ("loss", ["loss"])]
    assert small.top_names == OrderedDict(tops)
    assert small.bottom_names["loss"] == ["score", "label"]
    assert list(small.layer_dict) == small._layer_names == ["in", "conv", "fc", "loss"]
    assert [layer.type for layer in small.layers] == ["DummyData", "Convolution", "InnerProduct", "SoftmaxWithLoss"]
    assert all(isinstance(layer, caffe.Layer) for layer in small.layers)
    assert {name: [b.shape for b in blobs] for name, blobs in small.params.items()} == {
        "conv": [(7, 2, 2, 2), (7,)],
        "fc": [(6, 7 * 6 * 5), (6,)],
    }
    assert list(small.blobs) == ["x", "label", "conv", "score", "loss"]
    assert small.blob_loss_weights == {"x": 0, "label": 0, "conv": 0, "score": 0, "loss": 1}


def test_blobs_outlive_their_net(small: caffe.Net) -> None:
    blobs = [*small.blobs.values(), *(b for each in small.params.values() for b in each)]
    small.forward()
    del small
    assert all(np.isfinite(blob.data).all() and np.isfinite(blob.diff).all() for blob in blobs)


def test_forward_from_a_layer_to_a_layer(small: caffe.Net) -> None:
    rng = np.random.default_rng(0)
    small.blobs["conv"].data[...] = rng.standard_normal((3, 7, 6, 5))
    found = small.forward(start="fc", end="fc")
    weight, bias = (blob.data for blob in small.params["fc"])
    assert list(found) == ["score"]
    expected = small.blobs["conv"].data.reshape(3, -1) @ weight.T + bias
    assert relative(found["score"], expected) <= 1e-6


def test_backward_from_a_layer_to_a_layer(small: caffe.Net) -> None:
    """Without a forward pass before it: the gradient is of what stands in the blobs."""
    small.blobs["score"].diff[...] = np.arange(18).reshape(3, 6)
    found = small.backward(start="fc", end="fc")
    assert list(found) == ["conv"]
    expected = small.blobs["score"].diff @ small.params["fc"][0].data
    assert relative(found["conv"].reshape(3, -1), expected) <= 1e-6
    np.testing.assert_allclose(small.params["fc"][1].diff, small.blobs["score"].diff.sum(0))


def test_diffs_of_weights_add_up_until_they_are_cleared(small: caffe.Net) -> None:
    held = small.params["conv"][0].diff
    small.forward()
    small.backward()
    once = held.copy()
    small.backward()
    assert once.any()
    np.testing.assert_allclose(held, 2 * once, rtol=1e-6)
    small.clear_param_diffs()
    assert not held.any()


def test_an_array_once_taken_stays_live(small: caffe.Net) -> None:
    scores = small.blobs["score"].data
    small.forward()
    first = scores.copy()
    small.forward()  # on numbers newly drawn
    assert scores is not first and (scores != first).any()
    np.testing.assert_array_equal(scores, small.blobs["score"].data)
    assert np.shares_memory(scores, small.blobs["score"].data)


def test_writing_to_weights_is_net_surgery(small: caffe.Net) -> None:
    small.params["fc"][0].data[...] = 0
    small.params["fc"][1].data[...] = [0, 1, 2, 3, 4, 5]
    small.forward()
    np.testing.assert_array_equal(small.blobs["score"].data, np.tile(np.arange(6.0), (3, 1)))


@pytest.mark.parametrize("kind", ["binary", "hdf5", "legacy"])
def test_save_and_read(small: caffe.Net, tmp_path: Path, kind: str) -> None:
    file = str(tmp_path / "weights")
    (small.save_hdf5 if kind == "hdf5" else small.save)(file)
    prototxt = write(tmp_path, SMALL)
    if kind == "legacy":
        other = caffe.Net(prototxt, file, caffe.TRAIN)
    elif kind == "hdf5":
        other = caffe.Net(prototxt, caffe.TRAIN)
        other.load_hdf5(file)
    else:
        other = caffe.Net(prototxt, caffe.TRAIN, weights=file)
    for name, blobs in small.params.items():
        for mine, theirs in zip(blobs, other.params[name], strict=True):
            np.testing.assert_array_equal(mine.data, theirs.data)


def test_share_with(small: caffe.Net, tmp_path: Path) -> None:
    other = net(tmp_path, SMALL, caffe.TRAIN)
    other.share_with(small)
    small.params["fc"][1].data[...] = 9
    assert (other.params["fc"][1].data == 9).all()
    other.blobs["conv"].data[...] = 0
    other.forward(start="fc", end="fc")
    assert (other.blobs["score"].data == 9).all()


def test_hooks_are_told_each_layer(small: caffe.Net) -> None:
    seen: list[tuple[str, int]] = []
    small.before_forward(lambda i: seen.append(("before", i)))
    small.after_forward(lambda i: seen.append(("after", i)))
    small.after_backward(lambda i: seen.append(("back", i)))
    small.forward(end="conv")
    small.backward(start="conv")
    assert seen == [("before", 0), ("after", 0), ("before", 1), ("after", 1), ("back", 1), ("back", 0)]


TWO = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "y" type: "Power" bottom: "x" top: "y" power_param { scale: 2 } }
force_backward: true"""


def test_forward_all_fills_the_last_batch_and_cuts_it_off(tmp_path: Path) -> None:
    samples = np.arange(15, dtype=np.float32).reshape(5, 3)
    np.testing.assert_array_equal(net(tmp_path, TWO).forward_all(x=samples)["y"], 2 * samples)


def test_forward_backward_all(tmp_path: Path) -> None:
    samples = np.arange(15, dtype=np.float32).reshape(5, 3)
    outs, diffs = net(tmp_path, TWO).forward_backward_all(x=samples, y=samples + 1)
    np.testing.assert_array_equal(outs["y"], 2 * samples)
    np.testing.assert_array_equal(diffs["x"], 2 * (samples + 1))


REFUSED = {
    "inputs of other names": (lambda n: n.forward(z=np.zeros((2, 3))), "Input blob arguments do not match net inputs."),
    "inputs of another batch": (lambda n: n.forward(x=np.zeros((1, 3))), "Input is not batch sized"),
    "diffs of other names": (lambda n: n.backward(z=np.zeros((2, 3))), "Top diff arguments do not match net outputs."),
    "diffs of another batch": (lambda n: n.backward(y=np.zeros((1, 3))), "Diff is not batch sized"),
    "a layer that is not there": (lambda n: n.forward(end="z"), "'z' is not in list"),
    "arrays without MemoryData": (
        lambda n: n.set_input_arrays(np.zeros((2, 3)), np.zeros(2)),
        "set_input_arrays may only be called if the first layer is a MemoryDataLayer",
    ),
    "kwargs of a reshape": (lambda n: n.blobs["x"].reshape(2, 3, z=1), "Blob.reshape takes no kwargs"),
}


@pytest.mark.parametrize(("call", "fact"), REFUSED.values(), ids=REFUSED)
def test_refused(tmp_path: Path, call: object, fact: str) -> None:
    with pytest.raises(Exception, match=fact):
        call(net(tmp_path, TWO))  # type: ignore[operator]


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"Could not open file .*none\.prototxt"):
        caffe.Net(str(tmp_path / "none.prototxt"), caffe.TEST)
    with pytest.raises(RuntimeError, match=r"Could not open file .*none\.caffemodel"):
        net(tmp_path, TWO, weights=str(tmp_path / "none.caffemodel"))


def test_weights_of_another_shape(small: caffe.Net, tmp_path: Path) -> None:
    file = str(tmp_path / "weights")
    small.save(file)
    other = net(tmp_path, SMALL.replace("num_output: 6", "num_output: 5"), caffe.TRAIN)
    with pytest.raises(
        CaffeError, match=r"Cannot copy param 0 weights from layer 'fc'; shape mismatch.*6 210 \(1260\)"
    ):
        other.copy_from(file)


def test_a_reshaped_input_reshapes_what_follows(tmp_path: Path) -> None:
    made = net(tmp_path, TWO)
    made.blobs["x"].reshape(4, 3)
    made.reshape()
    assert made.blobs["y"].shape == (4, 3)
    made.blobs["x"].reshape(1, 3)
    made.blobs["x"].data[...] = 7
    assert made.forward()["y"].tolist() == [[14, 14, 14]]


# Layers by level and stage ------------------------------------------------------------------------------------------

RULES = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 } } }
layer { name: "always" type: "Power" bottom: "x" top: "always" }
layer { name: "no" type: "Power" bottom: "x" top: "no" include { min_level: 1 } }
layer { name: "yes" type: "Power" bottom: "x" top: "yes" include { max_level: 0 } }
layer { name: "both" type: "Power" bottom: "x" top: "both" include { stage: "A" stage: "B" } }
layer { name: "only" type: "Power" bottom: "x" top: "only" include { stage: "A" not_stage: "B" } }"""

STATES = {
    "level 0": ({}, ["yes"]),
    "level 1": ({"level": 1}, ["no"]),
    "level -1": ({"level": -1}, ["yes"]),
    "stage A": ({"stages": ["A"]}, ["yes", "only"]),
    "stages A and B": ({"stages": ["A", "B"]}, ["yes", "both"]),
    "stage B": ({"stages": ["B"]}, ["yes"]),
}


@pytest.mark.parametrize(("settings", "layers"), STATES.values(), ids=STATES)
def test_a_state_chooses_layers(tmp_path: Path, settings: dict[str, object], layers: list[str]) -> None:
    assert sorted(net(tmp_path, RULES, **settings).outputs) == sorted(["always", *layers])
