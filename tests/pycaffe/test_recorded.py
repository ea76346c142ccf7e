"""Stepping, gradients, batches and classifying, as recorded in the real pycaffe."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

import caffe2py.pycaffe as caffe
from tests.helpers.absent import each
from tests.helpers.layer_cases import relative
from tests.helpers.recorded_nets import RecordedNet, recorded_nets

ROUNDING = 2e-6  # a dozen layers of a few dozen products each, in float32


@pytest.fixture
def files(recorded: h5py.File, tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "net.prototxt").write_text(recorded.attrs["net"])
    (tmp_path / "net.caffemodel").write_bytes(bytes(recorded["caffemodel"][()]))
    return str(tmp_path / "net.prototxt"), str(tmp_path / "net.caffemodel")


@pytest.fixture
def net(files: tuple[str, str]) -> caffe.Net:
    return caffe.Net(files[0], caffe.TEST, weights=files[1])


def test_names_are_those_of_caffe_splits_included(recorded: h5py.File, net: caffe.Net) -> None:
    said = {word: json.loads(recorded.attrs[word]) for word in ("blobs", "layer_names", "top_names", "bottom_names")}
    assert list(net.blobs) == said["blobs"]
    assert net._layer_names == said["layer_names"]
    assert dict(net.top_names) == said["top_names"]
    assert dict(net.bottom_names) == said["bottom_names"]


def test_layer_types(recorded: h5py.File) -> None:
    assert set(json.loads(recorded.attrs["layer_types"])) <= set(caffe.layer_type_list())


def test_every_blob_after_every_single_step(recorded: h5py.File, net: caffe.Net) -> None:
    net.blobs["data"].data[...] = recorded["x"][()]
    for k, layer in enumerate(net._layer_names):
        net.forward(start=layer, end=layer)
        errors = {name: relative(blob.data, recorded[f"steps/{k}/{name}"][()]) for name, blob in net.blobs.items()}
        assert max(errors.values()) < ROUNDING, (layer, errors)


def test_every_blob_after_a_whole_pass(recorded: h5py.File, net: caffe.Net) -> None:
    out = net.forward(blobs=["p", "fc"], data=recorded["x"][()])
    assert sorted(out) == json.loads(recorded.attrs["forward_keys"])
    last = max(recorded["steps"], key=int)
    errors = {name: relative(blob.data, recorded[f"steps/{last}/{name}"][()]) for name, blob in net.blobs.items()}
    assert max(errors.values()) < ROUNDING, errors


def test_backward(recorded: h5py.File, net: caffe.Net) -> None:
    net.forward(data=recorded["x"][()])
    back = net.backward(diffs=["p"], sm=recorded["sm_diff"][()])
    assert sorted(back) == json.loads(recorded.attrs["backward_keys"])
    errors = {name: relative(blob.diff, recorded[f"diffs/{name}"][()]) for name, blob in net.blobs.items()}
    for name, blobs in net.params.items():
        for i, blob in enumerate(blobs):
            errors[f"{name}/{i}"] = relative(blob.diff, recorded[f"param_diffs/{name}/{i}"][()])
    assert max(errors.values()) < ROUNDING, errors


def test_shapes_after_a_reshape(recorded: h5py.File, net: caffe.Net) -> None:
    net.blobs["data"].reshape(3, 3, 6, 6)
    net.reshape()
    assert {name: list(blob.shape) for name, blob in net.blobs.items()} == json.loads(recorded.attrs["reshaped"])


def test_forward_all(recorded: h5py.File, net: caffe.Net) -> None:
    """Five samples in batches of two: as they are one by one."""
    x = recorded["x"][()]
    samples = np.concatenate([x, 2 * x, -x[:1]])
    found = net.forward_all(data=samples)["sm"]
    assert found.shape == recorded["forward_all_sm"].shape
    assert relative(found[:2], recorded[f"steps/{max(recorded['steps'], key=int)}/sm"][()]) < ROUNDING
    alone = net.forward_all(data=samples[4:])["sm"]
    np.testing.assert_array_equal(found[4:], alone)


@pytest.mark.parametrize("kind", ["oversample", "center"])
def test_classifier(recorded: h5py.File, files: tuple[str, str], kind: str) -> None:
    group = recorded["classifier"]
    settings = {"mean": np.array([0.1, 0.2, 0.3]), "raw_scale": 2.0, "channel_swap": (2, 1, 0)}
    made = caffe.Classifier(*files, image_dims=(8, 8), **settings)
    found = made.predict([group["a"][()], group["b"][()]], oversample=kind == "oversample")
    np.testing.assert_allclose(found, group[kind][()], rtol=0, atol=1e-5)


WHOLE = [net for folder in ("tiny", "mtcnn") for net in recorded_nets(folder)]


@each("recorded_net", WHOLE, "whole nets", ids=lambda n: n.id)
def test_whole_nets_step_by_step(recorded_net: RecordedNet, tmp_path: Path) -> None:
    """Each layer's tops right after it, and every blob at the end: the last that was written to it."""
    made = caffe.Net(str(recorded_net.prototxt), caffe.TEST, weights=str(recorded_net.caffemodel(tmp_path)))
    given = recorded_net.inputs()
    for name, values in given.items():
        made.blobs[name].reshape(*values.shape)
        made.blobs[name].data[...] = values
    made.reshape()
    last: dict[str, np.ndarray] = {}
    with h5py.File(recorded_net.dump) as file:
        layers = {str(layer.attrs["name"]): layer for layer in file["layer"].values()}
        for name in made._layer_names:
            made.forward(start=name, end=name)
            for i, top in enumerate(made.top_names[name] if name in layers else []):
                expected = layers[name][f"top{i}"][()]
                assert relative(made.blobs[top].data, expected) < WHOLE_ROUNDING, name
                last[top] = expected
    made.forward(**given)
    errors = {top: relative(made.blobs[top].data, expected) for top, expected in last.items()}
    assert max(errors.values()) < WHOLE_ROUNDING, errors


WHOLE_ROUNDING = 2e-5  # up to 150 layers of sums in float32, each in its own order
