"""Synthetic weights: the same bytes as the script that the reference data was made with."""

from __future__ import annotations

import hashlib
import json
import re
import zlib

import h5py
import numpy as np
import pytest

from tests.helpers.absent import each
from tests.helpers.encode import layer, packed, shape, text
from tests.helpers.recorded_nets import recorded_nets
from tools import make_caffemodel

MANIFEST = {
    "seed": 7,
    "net": "small",
    "layers": [
        {
            "name": "conv1/3x3",
            "type": "Convolution",
            "blobs": [{"shape": [2, 3, 5, 7], "low": -0.25, "high": 0.75}, {"shape": [2], "values": [0.1, -3]}],
        },
        {"name": "relu", "type": "ReLU", "blobs": []},
        {
            "name": "größe",
            "type": "BatchNorm",
            "blobs": [{"shape": [300], "low": -1e6, "high": 1e6}, {"shape": [1], "low": 999.982, "high": 999.982}],
        },
    ],
}

# Of what reference/make_caffemodel.py wrote for MANIFEST with numpy 2, by seed; recorded in November 2026.
SHA256 = {
    None: "ea53a1015adbe86ca98569ac7f55c9a18ca91bd260261912bce5ce0855f694e5",
    8: "2fb092b699f346f5dd5daa7dc3f5d4c1b17fa5080f1d926cb3ee98c7243d4753",
}


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "weights.json"
    path.write_text(json.dumps(MANIFEST), "utf-8")
    return path


def arguments(seed):
    return [] if seed is None else ["--seed", str(seed)]


@pytest.mark.parametrize("seed", SHA256, ids=["own seed", "seed 8"])
@pytest.mark.parametrize("piece", [1 << 20, 64], ids=["at once", "in pieces"])
def test_bytes(tmp_path, manifest, monkeypatch, seed, piece):
    monkeypatch.setattr(make_caffemodel, "PIECE", piece)
    out = tmp_path / "out.caffemodel"
    assert make_caffemodel.main([str(manifest), str(out), *arguments(seed)]) == 0
    assert hashlib.sha256(out.read_bytes()).hexdigest() == SHA256[seed]


def test_bytes_as_described(tmp_path, manifest):
    """The description in the tool's docstring, said once more."""

    def draw(key, low, high, count):
        samples = np.random.RandomState(zlib.crc32(key.encode())).random_sample(count)
        return list((low + (high - low) * samples).astype("f4"))

    out = tmp_path / "out.caffemodel"
    make_caffemodel.main([str(manifest), str(out)])
    assert out.read_bytes() == b"".join(
        (
            text(1, "small"),
            layer(
                "conv1/3x3",
                "Convolution",
                packed(5, draw("7/conv1/3x3/0", -0.25, 0.75, 210)) + shape(2, 3, 5, 7),
                packed(5, [0.1, -3]) + shape(2),
            ),
            layer("relu", "ReLU"),
            layer(
                "größe",
                "BatchNorm",
                packed(5, draw("7/größe/0", -1e6, 1e6, 300)) + shape(300),
                packed(5, draw("7/größe/1", 999.982, 999.982, 1)) + shape(1),
            ),
        )
    )


@each("net", recorded_nets("tiny"), "tiny nets", ids=lambda net: net.id)
def test_bytes_that_caffe_was_given(net, tmp_path):
    """The dump has the hash of the caffemodel that its activations were recorded with."""
    with h5py.File(net.dump) as dump:
        assert hashlib.sha256(net.caffemodel(tmp_path).read_bytes()).hexdigest() == dump.attrs["caffemodel_sha256"]


@pytest.mark.parametrize(
    "content, message",
    [
        pytest.param(None, "no such file", id="no file"),
        pytest.param("layer {", "not a manifest", id="no JSON"),
        pytest.param("[1]", "not a manifest", id="a list"),
        pytest.param('{"seed": 1, "net": "a"}', "not a manifest: no 'layers'", id="no layers"),
        pytest.param(
            '{"seed": 1, "net": "a", "layers": [{"name": "b", "type": "c", "blobs": [{"shape": [2], "values": [1]}]}]}',
            r"not a manifest: 1/b/0: 1 values for a blob of shape \[2\]",
            id="wrong count",
        ),
    ],
)
def test_bad_manifest(tmp_path, capsys, content, message):
    path = tmp_path / "weights.json"
    if content is not None:
        path.write_text(content)
    assert make_caffemodel.main([str(path), str(tmp_path / "out.caffemodel")]) == 1
    assert re.search(f"^error: .*weights.json: {message}", capsys.readouterr().err, re.IGNORECASE)
    assert not (tmp_path / "out.caffemodel").exists()
