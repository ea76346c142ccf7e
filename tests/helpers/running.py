"""Nets that run, from text: written to a file, since pycaffe takes files."""

from __future__ import annotations

from pathlib import Path

import caffe2py.pycaffe as caffe

# Every kind of layer that the tests of nets want: data drawn at random, weights, a loss.
SMALL = """name: "small" force_backward: true
layer { name: "in" type: "DummyData" top: "x" top: "label" dummy_data_param {
  shape { dim: 3 dim: 2 dim: 5 dim: 4 } shape { dim: 3 }
  data_filler { type: "gaussian" std: 1 } data_filler { type: "constant" } } }
layer { name: "conv" type: "Convolution" bottom: "x" top: "conv" param { decay_mult: 1 } param { decay_mult: 0 }
  convolution_param { num_output: 7 kernel_size: 2 pad: 1 weight_filler { type: "gaussian" std: 1 }
    bias_filler { type: "constant" value: 2 } } }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "score" inner_product_param { num_output: 6
  weight_filler { type: "gaussian" std: 2.5 } bias_filler { type: "constant" value: -3 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" }
"""


def write(folder: Path, text: str, name: str = "net.prototxt") -> str:
    """The path of a new file with this text."""
    path = folder / name
    path.write_text(text)
    return str(path)


def net(folder: Path, text: str, phase: int = caffe.TEST, **settings: object) -> caffe.Net:
    """The net of a text."""
    return caffe.Net(write(folder, text), phase, **settings)  # type: ignore[arg-type]
