"""Fields that Caffe's schema does not know: read by a layer, needed by nobody, or an error of whatever computes."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import caffe2py
from caffe2py.errors import UnsupportedError
from caffe2py.graph import Graph
from caffe2py.proto.forks import dialect
from tests.helpers.nets import command, graph_of, write_net
from tests.helpers.running import net

NET = """name: "n"
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } IN } }
layer { name: "c" type: "Convolution" bottom: "x" top: "c" LAYER
        convolution_param { num_output: 2 kernel_size: 3 CONVOLUTION } }
layer { name: "p" type: "Pooling" bottom: "c" top: "p" pooling_param { kernel_size: 2 stride: 2 POOLING } }
layer { name: "b" type: "BatchNorm" bottom: "p" top: "b" batch_norm_param { NORM } }
"""


def text(where: str = "", fields: str = "") -> str:
    made = re.sub(rf"\b{where}\b" if where else "^", lambda _: fields, NET)
    return re.sub(r"\b(IN|LAYER|CONVOLUTION|POOLING|NORM)\b", "", made)


# Where a field stands, what is written, and the line of the error that tells of it.
NEEDED = {
    "misspelt": ("POOLING", "kernal_size: 3", "pooling_param.kernal_size; did you mean kernel_size?; nothing reads it"),
    "of another message": ("POOLING", "dilation: 2", "pooling_param.dilation; nothing reads it"),
    "Intel's quantization": ("LAYER", "quantization_param { scale_in: 2 }", "quantization_param"),
    "Intel's precision of weights": ("LAYER", "quantization_param { bw_params: 8 }", "quantization_param.bw_params"),
    "a ReLU that is built in": ("POOLING", "relu: true", "pooling_param.relu; nothing reads it"),
    "a word": ("CONVOLUTION", "padding: SAME", "convolution_param.padding; nothing reads it"),
    "a block": ("LAYER", "squeeze_param { ratio: 4 by { n: 1 } }", "layer has no squeeze_param"),
    "an empty block": ("LAYER", "twist_param { }", "twist_param"),
    "twice": ("NORM", "beta: 1 beta: 2", "batch_norm_param.beta; nothing reads it"),
}

# What only training, an engine or a display reads.
IDLE = {
    "of the format of 2014": ("LAYER", "blobs_lr: 1 weight_decay: 0"),
    "fillers": ("CONVOLUTION", 'scale_filler { type: "constant" value: 1 } shift_filler { value: 0 }'),
    "of a fork's engine": ("LAYER", 'forward_type: FLOAT16 engine: "MKLDNN"'),
    "a data layer's": ("IN", "shuffle: true"),
    "a transformation": ("LAYER", "transform_param { resize_param { prob: 1 } }"),
    "displays": ("LAYER", 'odd_param { visualize: true save_file: "x" }'),
}


@pytest.mark.parametrize("where, fields, said", NEEDED.values(), ids=NEEDED)
def test_what_a_layer_may_need_is_an_error_of_what_computes(where: str, fields: str, said: str) -> None:
    graph = graph_of(text(where, fields), weights=True)
    (note,) = graph.number_notes
    for compute in (caffe2py.to_torch, caffe2py.to_source, caffe2py.to_onnx):
        with pytest.raises(UnsupportedError) as caught:
            compute(graph)
        assert said.rpartition(" has no ")[2] in str(caught.value) and note in str(caught.value)


@pytest.mark.parametrize("where, fields", IDLE.values(), ids=IDLE)
def test_what_no_output_needs_is_a_note(where: str, fields: str) -> None:
    graph = graph_of(text(where, fields), weights=True)
    assert not graph.number_notes and "only training, an engine or a display" in "".join(graph.notes)
    caffe2py.to_torch(graph)


def test_a_layer_that_reads_a_field_has_none_left() -> None:
    graph = graph_of(text("POOLING", "ceil_mode: false"), weights=True)
    assert not any("schema" in note for note in graph.notes)
    caffe2py.to_torch(graph)


def loaded(folder: Path, ignore: bool) -> Graph:
    prototxt, caffemodel = write_net(folder, text("NORM", "gain_bias: true"))
    return caffe2py.load(prototxt, caffemodel, ignore_unknown_fields=ignore)


def test_the_outputs_tell_what_was_ignored(tmp_path: Path) -> None:
    graph = loaded(tmp_path, ignore=True)
    (note,) = graph.number_notes
    assert "batch_norm_param.gain_bias" in note and "ignored" in note
    files = {suffix: tmp_path / f"net.{suffix}" for suffix in "pt pt2 py onnx safetensors".split()}
    for file in files.values():
        caffe2py.convert(graph, file)
    assert torch.load(files["pt"], weights_only=True)["metadata"]["notes"] == note
    assert note in [p.value for p in onnx.load(files["onnx"]).metadata_props if p.key == "notes"]
    assert note.encode() in files["safetensors"].read_bytes() and note in files["py"].read_text()
    with zipfile.ZipFile(files["pt2"]) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("metadata.json"))
        assert json.loads(archive.read(name))["notes"] == note
    x = np.random.RandomState(5).randn(1, 3, 8, 8).astype(np.float32)
    ours = caffe2py.run(graph, {"x": x})["b"]
    again = caffe2py.load_torch(files["pt"])(torch.from_numpy(x))
    np.testing.assert_allclose(again.detach().numpy(), ours, rtol=1e-5, atol=1e-6)


def test_a_command_tells_it_where_there_is_no_terminal(tmp_path: Path) -> None:
    loaded(tmp_path, ignore=False)
    files = (tmp_path / "net.prototxt", tmp_path / "net.caffemodel")
    shown = command("show", *files)
    assert shown.status == 0 and "gain_bias; nothing reads it" in shown.err
    out = tmp_path / "net.onnx"
    refused = command("convert", *files, "-o", out)
    assert refused.status == 1 and "--ignore-unknown-fields" in refused.err and not out.exists()
    kept = command("convert", *files, "-o", tmp_path / "kept.caffemodel")  # computes nothing
    assert kept.status == 0
    done = command("convert", *files, "-o", out, "--ignore-unknown-fields")
    assert done.status == 0 and "gain_bias" in done.err and "ignored" in done.err


def test_a_net_that_runs_as_in_caffe_refuses_as_caffe_does(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="gain_bias"):
        net(tmp_path, text("NORM", "gain_bias: true"))
    net(tmp_path, text())


def test_a_field_of_a_fork_s_block_is_told_with_its_name() -> None:
    """The block is known, and what else is in it is read."""
    text = """layer { name: "in" type: "Input" top: "x" top: "y"
      input_param { shape { dim: 1 dim: 2 dim: 3 dim: 4 } shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }
    layer { name: "p" type: "PriorBox" bottom: "x" bottom: "y" top: "p" prior_box_param { min_size: 4 LAYER } }"""
    (strange,) = graph_of(text.replace("LAYER", "step_x: 3")).number_notes
    assert strange.endswith("Caffe's schema has no prior_box_param.step_x; nothing reads it")
    (known,) = graph_of(text.replace("LAYER", "density: 3")).number_notes
    assert known.endswith("Caffe's schema has no prior_box_param.density; nothing reads it")


AUGMENTED = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 9 } } }
layer { name: "a" type: "DataAugmentation" bottom: "x" top: "a"
        augmentation_param { mean: [1, 2, 3] WORDS } coeff_schedule_param { half_life: 5 } }"""


def test_what_changes_images_in_training_is_no_field_that_a_layer_lacks() -> None:
    fields = dialect("flownet2").message_class("AugmentationParameter").DESCRIPTOR.fields
    read = {"augment_during_test", "crop_height", "crop_width", "mean", "mean_per_pixel", "recompute_mean"}
    blocks = [f"{f.name} {{ mean: 0.5 }}" for f in fields if f.message_type]
    plain = [f"{f.name}: 1" for f in fields if not f.message_type and f.name not in read]
    assert not graph_of(AUGMENTED.replace("WORDS", " ".join(blocks + plain))).number_notes
    (note,) = graph_of(AUGMENTED.replace("WORDS", "crop_widht: 4")).number_notes
    assert note.endswith("has no augmentation_param.crop_widht; nothing reads it")
