"""What torch.onnx exports, as Caffe nets: equal to onnxruntime, or the error that lists what cannot be said."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from caffe2py.errors import UnsupportedError
from caffe2py.frontends.onnx.translate import load_onnx
from tests.helpers.exports import OWN, TIMM, export
from tests.helpers.onnx_models import differences
from tests.helpers.timm_nets import timm_module

# Two float32 runs, of up to some hundred layers.
ROUNDING = 5e-6


@pytest.mark.parametrize("name", OWN)
def test_nets_of_our_own(name: str, tmp_path: Path, whole: bool) -> None:
    make, shape = OWN[name]
    torch.manual_seed(3)
    module = make()
    for dynamo in (False, True) if whole or name == "shuffled" else (False,):
        path = export(module, shape, tmp_path / f"{dynamo}.onnx", dynamo)
        for target in ("bvlc", "bvlc-2017"):
            assert max(differences(path, target=target)[1].values()) <= ROUNDING, (dynamo, target)


def test_one_of_timms_nets(tmp_path: Path) -> None:
    """A small one with gates and groups; with --all, those that follow."""
    path = export(timm_module("regnety_002"), (1, 3, 64, 64), tmp_path / "net.onnx", dynamo=False)
    assert max(differences(path, target="bvlc-2017")[1].values()) <= ROUNDING


@pytest.mark.long
@pytest.mark.parametrize("name", TIMM)
def test_timms_nets(name: str, tmp_path: Path) -> None:
    module = timm_module(name)
    shape = (1, *module.default_cfg["input_size"])
    for dynamo in (False, True):
        path = export(module, shape, tmp_path / f"{dynamo}.onnx", dynamo)
        assert max(differences(path, target="bvlc-2017")[1].values()) <= ROUNDING, dynamo


def test_what_convnext_has_and_caffe_has_not(tmp_path: Path) -> None:
    module = timm_module("convnext_atto")
    path = export(module, (1, 3, 64, 64), tmp_path / "net.onnx", dynamo=False)
    with pytest.raises(UnsupportedError) as error:
        load_onnx(path)
    lines = str(error.value).splitlines()[1:]
    assert {line.split("(")[1].split(")")[0] for line in lines} == {"LayerNormalization", "Erf"}
    assert sum("LayerNormalization" in line for line in lines) == 17 and len(set(lines)) == len(lines)
