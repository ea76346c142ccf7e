"""Layers written in Python. BVLC's test_python_layer.py and test_python_layer_with_param_str.py, in our words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import caffe2py.pycaffe as caffe
from caffe2py.errors import CaffeError
from tests.helpers.running import net

MODULE = """
import caffe2py.pycaffe as caffe

class Times(caffe.Layer):
    def setup(self, bottom, top):
        self.factor = float(self.param_str or 10)

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        top[0].data[...] = self.factor * bottom[0].data

    def backward(self, top, propagate_down, bottom):
        assert propagate_down == [True]
        bottom[0].diff[...] = self.factor * top[0].diff

class Failing(caffe.Layer):
    def setup(self, bottom, top):
        raise RuntimeError("not today")

class Learned(caffe.Layer):
    def setup(self, bottom, top):
        self.blobs.add_blob(2, 3)
        self.blobs[0].data[...] = 4

    def reshape(self, bottom, top):
        top[0].reshape(2, 3)

    def forward(self, bottom, top):
        top[0].data[...] = self.blobs[0].data

    def backward(self, top, propagate_down, bottom):
        self.blobs[0].diff[...] += 1

class Phase(caffe.Layer):
    def setup(self, bottom, top): pass
    def reshape(self, bottom, top): top[0].reshape()
    def forward(self, bottom, top): top[0].data[()] = self.phase

class Stranger:
    def __init__(self, param): pass
"""
INPUT = (
    'force_backward: true layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 4 dim: 3 dim: 2 } } }\n'
)


def layer(name: str, python: str, bottom: str = "", extra: str = "") -> str:
    read = f'bottom: "{bottom}" ' if bottom else ""
    param = f'python_param {{ module: "layers_of_mine" layer: "{python}" {extra} }}'
    return f'layer {{ name: "{name}" type: "Python" {read}top: "{name}" {param} }}\n'


THREE = (
    INPUT
    + layer("one", "Times", "x")
    + ('layer { name: "two" type: "Power" bottom: "one" top: "two" power_param { scale: 2 } }\n')
    + layer("three", "Times", "two", 'param_str: "0.5"')
)


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "layers_of_mine.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "layers_of_mine", raising=False)


def test_forward(tmp_path: Path) -> None:
    made = net(tmp_path, THREE)
    made.blobs["x"].data[...] = 3
    assert (made.forward()["three"] == 3 * 10 * 2 * 0.5).all()


def test_backward(tmp_path: Path) -> None:
    made = net(tmp_path, THREE)
    made.blobs["three"].diff[...] = 7
    made.backward()
    assert (made.blobs["x"].diff == 7 * 0.5 * 2 * 10).all()


def test_reshape(tmp_path: Path) -> None:
    made = net(tmp_path, THREE)
    made.blobs["x"].reshape(2, 2)
    made.forward()
    assert {blob.data.shape for blob in made.blobs.values()} == {(2, 2)}


def test_its_exceptions_are_the_users(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="not today"):
        net(tmp_path, INPUT + layer("one", "Failing", "x"))


@pytest.mark.parametrize("module", ["none_such", "layers_of_mine"])
def test_a_class_that_is_not_there(module: str, tmp_path: Path) -> None:
    text = layer("one", "NoneSuch", "x").replace("layers_of_mine", module)
    with pytest.raises(CaffeError, match=rf'layer "one" \(Python\): is {module}\.NoneSuch, which cannot be imported'):
        net(tmp_path, INPUT + text)


def test_a_class_that_is_no_layer(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"layers_of_mine\.Stranger is no caffe\.Layer"):
        net(tmp_path, INPUT + layer("one", "Stranger", "x"))


def test_parameters_are_learned_saved_and_shared(tmp_path: Path) -> None:
    text = "force_backward: true\n" + layer("own", "Learned")
    made = net(tmp_path, text, caffe.TRAIN)
    blob = made.layers[0].blobs[0]
    assert made.params["own"][0] is blob
    assert (made.forward()["own"] == 4).all()
    made.backward()
    assert (blob.diff == 1).all()
    made.save(str(tmp_path / "weights"))
    blob.data[...] = -1
    made.copy_from(str(tmp_path / "weights"))
    assert (blob.data == 4).all()
    other = net(tmp_path, text, caffe.TRAIN)
    blob.data[...] = 6
    other.share_with(made)
    assert (other.forward()["own"] == 6).all()


@pytest.mark.parametrize("phase", [caffe.TRAIN, caffe.TEST])
def test_phase(tmp_path: Path, phase: int) -> None:
    assert net(tmp_path, layer("phase", "Phase"), phase).forward()["phase"] == phase


def test_in_a_chain_of_ordinary_layers(tmp_path: Path) -> None:
    """Weights that a layer behind a Python layer has: their shapes follow from what the user's reshape says."""
    fc = 'layer { name: "fc" type: "InnerProduct" bottom: "one" top: "fc" inner_product_param { num_output: 5 } }'
    made = net(tmp_path, INPUT + layer("one", "Times", "x") + fc)
    assert made.params["fc"][0].shape == (5, 6)
    with pytest.raises(CaffeError, match=r"fc.*weight is \(5, 6\)"):
        made.blobs["x"].reshape(4, 3, 7)
        made.forward()
    assert np.isfinite(made.params["fc"][0].data).all()
