"""Nets as pictures. BVLC's test_draw.py in our words, and what the boxes say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

import caffe2py.pycaffe as caffe
from caffe2py.pycaffe import draw

NET = """name: "drawn"
layer { name: "x" type: "Data" top: "x" top: "y" data_param { batch_size: 8 } include { phase: TRAIN } }
layer { name: "x" type: "Input" top: "x" include { phase: TEST } }
layer { name: "conv" type: "Convolution" bottom: "x" top: "conv" param { lr_mult: 1 } param { lr_mult: 2 }
  convolution_param { num_output: 6 kernel_size: 5 pad: 2 } }
layer { name: "re\\"lu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param { num_output: 9 } }
"""


@pytest.fixture
def message() -> Any:
    made = caffe.proto.caffe_pb2.NetParameter()
    text_format.Merge(NET, made)
    return made


@pytest.mark.parametrize("rankdir", ["LR", "TB"])
def test_draw_net(message: Any, rankdir: str) -> None:
    assert draw.draw_net(message, rankdir).startswith(b"\x89PNG")


def test_to_file(message: Any, tmp_path: Path) -> None:
    draw.draw_net_to_file(message, tmp_path / "net.svg", "BT", phase=caffe.TRAIN)
    assert "<svg" in (tmp_path / "net.svg").read_text()


def test_what_the_boxes_say(message: Any) -> None:
    text = draw.get_pydot_graph(message, "TB", display_lrm=True).to_string()
    assert "conv (Convolution) kernel size: 5 stride: 1 pad: 2 lr mult: [1.0, 2.0]" in text
    assert "pool (AVE Pooling) kernel size: 3 stride: 2 pad: 0" in text
    assert "fc (InnerProduct) lr mult: 1.0" in text
    assert text.count("octagon") == 5  # x, y, conv, pool, fc
    assert "label=6" in text and "label=9" in text


@pytest.mark.parametrize(("phase", "boxes"), [(caffe.TRAIN, "Data"), (caffe.TEST, "Input")])
def test_a_phase(message: Any, phase: int, boxes: str) -> None:
    text = draw.get_pydot_graph(message, "LR", phase=phase).to_string()
    assert (f"({boxes})" in text, text.count("(Data)") + text.count("(Input)")) == (True, 1)
