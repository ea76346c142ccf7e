"""A prototxt beside a caffemodel that was saved from another net: told, where the parameters matter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import caffe2py
from caffe2py.proto import parse_net
from caffe2py.proto.dialects.encoding import message_of
from caffe2py.proto.weights.caffemodel import write_caffemodel

NET = """name: "n"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 2, 9, 9] } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 3 kernel_size: 3 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "drop" type: "Dropout" bottom: "pool" top: "pool" dropout_param { dropout_ratio: 0.5 } }
layer { name: "norm" type: "LRN" bottom: "pool" top: "norm" }
"""

# What stands in the prototxt, what the caffemodel was saved with, and what is told.
CHANGES = {
    "a stride": ("stride: 2", "stride: 1", "pool (MAX 2x2/2 here, MAX 2x2 there)"),
    "a field more": ("kernel_size: 3 }", "kernel_size: 3 pad: 1 }", "conv (3 3x3 here, 3 3x3 pad 1 there)"),
    "a field less": (' "LRN"', ' "LRN" lrn_param { local_size: 3 }', "norm (the defaults here, local_size 3 there)"),
    "said otherwise": ("kernel_size: 3 }", "kernel_h: 3 kernel_w: 3 pad: 0 }", ""),
    "a default": ('type: "ReLU"', 'type: "ReLU" relu_param { negative_slope: 0 }', ""),
    "fillers": ("kernel_size: 3 }", 'kernel_size: 3 weight_filler { type: "xavier" } engine: CUDNN }', ""),
    "rates": ('type: "Convolution"', 'type: "Convolution" param { lr_mult: 0 }', ""),
    "nothing": ("", "", ""),
}  # fmt: skip


def load(tmp_path: Path, text: str, saved: str) -> tuple[list[str], Path]:
    prototxt, caffemodel = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    prototxt.write_text(text)
    blobs = {"conv": [np.zeros((3, 2, 3, 3), np.float32), np.zeros(3, np.float32)]}
    write_caffemodel(caffemodel, message_of(parse_net(saved)), blobs)
    return [note for note in caffe2py.load(prototxt, caffemodel).notes if "was saved from" in note], caffemodel


@pytest.mark.parametrize("old, new, told", CHANGES.values(), ids=CHANGES)
def test_differences(tmp_path: Path, old: str, new: str, told: str) -> None:
    notes, caffemodel = load(tmp_path, NET, NET.replace(old, new))
    start = f"1 layer has other parameters in the net that {caffemodel} was saved from: "
    assert notes == ([start + told] if told else [])


def test_many_are_told_by_the_first(tmp_path: Path) -> None:
    layers = "".join(
        f'layer {{ name: "p{i}" type: "Power" bottom: "norm" top: "p{i}" power_param {{ shift: 1 }} }}\n'
        for i in range(6)
    )
    notes, _ = load(tmp_path, NET + layers, NET + layers.replace("shift: 1", "shift: 2"))
    assert len(notes) == 1 and notes[0].startswith("6 layers have other parameters") and notes[0].endswith("and 2 more")


def test_bare_weights_say_nothing(tmp_path: Path) -> None:
    bare = "".join(f"{line.split(' bottom')[0]} }}\n" if "bottom" in line else f"{line}\n" for line in NET.splitlines())
    assert load(tmp_path, NET, bare)[0] == []
