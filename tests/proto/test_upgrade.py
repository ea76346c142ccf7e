"""Nets of 2013 and 2014 become today's: each step on a small net, and whole nets against what Caffe made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import pytest

from caffe2py.errors import CaffeError, NetError
from caffe2py.proto import filter_net, net_from_message, parse_net, parse_text, read_net, upgrade_solver
from caffe2py.proto.schema import LayerParameter, NetParameter, V1LayerParameter
from caffe2py.proto.upgrade.v1 import SOLVER_TYPES, v1_type_name
from tests.helpers.absent import absent
from tests.helpers.recorded_nets import recorded_nets

# One old layer, and today's.
LAYERS = {
    "v0 conv": (
        """layers { bottom: "x" top: "y" layer { name: "c" type: "conv" num_output: 8 kernelsize: 3 pad: 1 stride: 2
           group: 2 biasterm: false weight_filler { type: "gaussian" std: 0.5 } bias_filler { value: 1 }
           blobs_lr: 1 blobs_lr: 2 weight_decay: 3 weight_decay: 0 } }""",
        """name: "c" type: "Convolution" bottom: "x" top: "y" param { lr_mult: 1 decay_mult: 3 }
           param { lr_mult: 2 decay_mult: 0 } convolution_param { num_output: 8 kernel_size: 3 pad: 1 stride: 2 group: 2
           bias_term: false weight_filler { type: "gaussian" std: 0.5 } bias_filler { value: 1 } }""",
    ),
    "v0 innerproduct": (
        'layers { layer { name: "f" type: "innerproduct" num_output: 5 biasterm: false } }',
        'name: "f" type: "InnerProduct" inner_product_param { num_output: 5 bias_term: false }',
    ),
    "v0 pool": (
        'layers { layer { type: "pool" pool: AVE kernelsize: 3 pad: 1 stride: 2 } }',
        'type: "Pooling" pooling_param { pool: AVE kernel_size: 3 pad: 1 stride: 2 }',
    ),
    "v0 lrn": (
        'layers { layer { type: "lrn" local_size: 3 alpha: 0.1 beta: 0.2 k: 2 } }',
        'type: "LRN" lrn_param { local_size: 3 alpha: 0.1 beta: 0.2 k: 2 }',
    ),
    "v0 dropout": (
        'layers { layer { type: "dropout" dropout_ratio: 0.2 } }',
        'type: "Dropout" dropout_param { dropout_ratio: 0.2 }',
    ),
    "v0 concat": ('layers { layer { type: "concat" concat_dim: 0 } }', 'type: "Concat" concat_param { concat_dim: 0 }'),
    "v0 data": (
        """layers { layer { type: "data" source: "db" batchsize: 4 rand_skip: 7 scale: 0.5 meanfile: "m" cropsize: 9
           mirror: true } }""",
        """type: "Data" data_param { source: "db" batch_size: 4 rand_skip: 7 }
           transform_param { scale: 0.5 mean_file: "m" crop_size: 9 mirror: true }""",
    ),
    "v0 images": (
        """layers { layer { type: "images" source: "l" batchsize: 4 rand_skip: 7 shuffle_images: true new_height: 5
           new_width: 6 } }""",
        """type: "ImageData" image_data_param { source: "l" batch_size: 4 rand_skip: 7 shuffle: true new_height: 5
           new_width: 6 }""",
    ),
    "v0 window_data": (
        """layers { layer { type: "window_data" source: "w" batchsize: 4 det_fg_threshold: 0.1 det_bg_threshold: 0.2
           det_fg_fraction: 0.3 det_context_pad: 4 det_crop_mode: "square" } }""",
        """type: "WindowData" window_data_param { source: "w" batch_size: 4 fg_threshold: 0.1 bg_threshold: 0.2
           fg_fraction: 0.3 context_pad: 4 crop_mode: "square" }""",
    ),
    "v0 hdf5": (
        'layers { layer { type: "hdf5_data" source: "h" batchsize: 4 } }',
        'type: "HDF5Data" hdf5_data_param { source: "h" batch_size: 4 }',
    ),
    "v0 hdf5 output": (
        'layers { layer { type: "hdf5_output" hdf5_output_param { file_name: "h" } } }',
        'type: "HDF5Output" hdf5_output_param { file_name: "h" }',
    ),
    "v0 infogain": (
        'layers { layer { type: "infogain_loss" source: "h" } }',
        'type: "InfogainLoss" infogain_loss_param { source: "h" }',
    ),
    "v0 field of another type": ('layers { layer { type: "relu" kernelsize: 3 } }', 'type: "ReLU"'),
    "v1 shared": (
        """layers { name: "f" type: INNER_PRODUCT param: "w" param: "b" blob_share_mode: PERMISSIVE blobs_lr: 1
           inner_product_param { num_output: 5 } include { phase: TRAIN } loss_weight: 2 }""",
        """name: "f" type: "InnerProduct" param { name: "w" share_mode: PERMISSIVE lr_mult: 1 } param { name: "b" }
           inner_product_param { num_output: 5 } include { phase: TRAIN } loss_weight: 2""",
    ),
    "v1 data": (
        'layers { type: DATA data_param { source: "db" scale: 0.5 mean_file: "m" crop_size: 9 mirror: true } }',
        """type: "Data" data_param { source: "db" }
           transform_param { scale: 0.5 mean_file: "m" crop_size: 9 mirror: true }""",
    ),
    "v1 image data": (
        'layers { type: IMAGE_DATA image_data_param { mirror: true } transform_param { scale: 2 } }',
        'type: "ImageData" image_data_param { } transform_param { scale: 2 mirror: true }',
    ),
    "v1 window data": (
        "layers { type: WINDOW_DATA window_data_param { crop_size: 3 } }",
        'type: "WindowData" window_data_param { } transform_param { crop_size: 3 }',
    ),
    "today's data stays": (
        'layer { type: "Data" data_param { scale: 0.5 } }',
        'type: "Data" data_param { scale: 0.5 }',
    ),
    "batch norm": (
        'layer { type: "BatchNorm" param { lr_mult: 1 } param { name: "v" decay_mult: 2 } param { } }',
        """type: "BatchNorm" param { lr_mult: 0 decay_mult: 0 } param { name: "v" lr_mult: 0 decay_mult: 0 }
           param { lr_mult: 0 decay_mult: 0 }""",
    ),
    "batch norm with two": (
        'layer { type: "BatchNorm" param { lr_mult: 1 } param { } }',
        'type: "BatchNorm" param { lr_mult: 1 } param { }',
    ),
    "three param of another type": (
        'layer { type: "LSTM" param { } param { } param { } }',
        'type: "LSTM" param { } param { } param { }',
    ),
}  # fmt: skip


def message(text: str) -> Any:
    return parse_text(text, "f", "LayerParameter").message


@pytest.mark.parametrize(("old", "today"), LAYERS.values(), ids=LAYERS)
def test_layer(old: str, today: str) -> None:
    assert parse_net(old).layers[0].message == message(today)


@pytest.mark.parametrize(("old", "today"), LAYERS.values(), ids=LAYERS)
def test_layer_out_of_a_caffemodel(old: str, today: str) -> None:
    binary = parse_text(old, "f").message.SerializeToString()
    net = net_from_message(NetParameter.FromString(binary), "f.caffemodel")
    assert net.layers[0].message == message(today)
    assert not net.message.ListFields()


V1_NAMES = """AbsVal Accuracy ArgMax BNLL Concat ContrastiveLoss Convolution Data Deconvolution Dropout DummyData
    EuclideanLoss Eltwise Exp Flatten HDF5Data HDF5Output HingeLoss Im2col ImageData InfogainLoss InnerProduct LRN
    MemoryData MultinomialLogisticLoss MVN Pooling Power ReLU Sigmoid SigmoidCrossEntropyLoss Silence Softmax
    SoftmaxWithLoss Split Slice TanH WindowData Threshold""".split()


def test_every_v1_type_has_its_name() -> None:
    words = V1LayerParameter.DESCRIPTOR.enum_types_by_name["LayerType"].values_by_name
    assert {v1_type_name(word) for word in words} == {*V1_NAMES, ""}
    assert len(words) == len(V1_NAMES) + 1


def test_a_type_of_2014_whose_number_nobody_knows() -> None:
    net = parse_net('layers { name: "crf" type: MULTI_STAGE_MEANFIELD multi_stage_meanfield_param { threshold: 2 } }')
    assert [layer.message.type for layer in net.layers] == ["MultiStageMeanfield"]


PADDED = """input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 9
layers { layer { name: "pad1" type: "padding" pad: 2 } bottom: "data" top: "padded" }
layers { layer { name: "conv1" type: "conv" num_output: 4 kernelsize: 5 } bottom: "padded" top: "conv1" }
layers { layer { name: "relu1" type: "relu" } bottom: "conv1" top: "conv1" }
layers { layer { name: "pad2" type: "padding" pad: 1 } bottom: "conv1" top: "padded" }
layers { layer { name: "pool1" type: "pool" kernelsize: 3 } bottom: "padded" top: "pool1" }
"""


def test_padding_is_folded() -> None:
    net = parse_net(PADDED, "f")
    assert [one.message for one in net.layers] == [
        message('name: "input" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 9 } }'),
        message("""name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
                   convolution_param { num_output: 4 kernel_size: 5 pad: 2 }"""),
        message('name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1"'),
        message('name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { kernel_size: 3 pad: 1 }'),
    ]
    assert net.notes == (
        "folded 2 padding layers into the pad of the layer behind",
        "upgraded 3 layers from the V0 format (2013) to today's",
        "made an Input layer of 1 input field",
    )


INPUTS = {
    "input_dim": (
        'input: "a" input: "b" input_dim: [1, 2, 3, 4, 5, 6, 7, 8]',
        'top: "a" top: "b" input_param { shape { dim: [1, 2, 3, 4] } shape { dim: [5, 6, 7, 8] } }',
    ),
    "input_shape": ('input: "a" input_shape { dim: [2, 3] }', 'top: "a" input_param { shape { dim: [2, 3] } }'),
    "both, shape counts": (
        'input: "a" input_shape { dim: [2, 3] } input_dim: [1, 1, 1, 1]',
        'top: "a" input_param { shape { dim: [2, 3] } }',
    ),
    "scalar": ('input: "a" input_shape { }', 'top: "a" input_param { shape { } }'),
}


@pytest.mark.parametrize(("old", "today"), INPUTS.values(), ids=INPUTS)
def test_inputs(old: str, today: str) -> None:
    net = parse_net(f'{old} layer {{ name: "l" type: "ReLU" }}')
    assert net.layers[0].message == message(f'name: "input" type: "Input" {today}')
    assert [one.message.name for one in net.layers] == ["input", "l"]
    assert not net.message.ListFields()


def test_inputs_of_a_caffemodel_without_sizes_are_dropped() -> None:
    net = net_from_message(NetParameter(input=["data"], layer=[LayerParameter(name="a")]), "f")
    assert [one.message.name for one in net.layers] == ["a"]
    assert not net.message.input


def test_names_of_a_caffemodel_read_as_in_the_prototxt() -> None:
    latin = LayerParameter.FromString(b"\n\x02a\xe9\x1a\x01\xe8\x1a\x01b")
    net = net_from_message(NetParameter(layer=[latin]), "f")
    assert net.layers[0].message == LayerParameter(name=r"a\xe9", bottom=[r"\xe8", "b"])


REFUSED = {
    "padding for another type": (
        PADDED.replace('"pool"', '"lrn"').replace("kernelsize: 3", ""),
        ["f:6:1", "pool1", "lrn", "pad2", "conv or pool"],
    ),
    "padding for two bottoms": (
        PADDED.replace('bottom: "padded" top: "pool1"', 'bottom: "padded" bottom: "data" top: "pool1"'),
        ["f:6:1", "pool1", "one bottom"],
    ),
    "padding of two": (PADDED.replace('bottom: "data"', 'bottom: "data" bottom: "data"'), ["f:2:1", "pad1"]),
    "type that 2013 had not": ('layers { layer { type: "convs" } }', ["f:1:1", "convs", "did you mean conv?"]),
    "too few input_dim": ('\ninput: "a" input_dim: 3 layer { }', ["f:2:1", "1 input, 1 input_dim", "four"]),
    "too few input_shape": (
        'input: "a" input: "b" input_shape { } layer { }',
        ["f:1:1", "2 inputs, 1 input_shape", "one for each"],
    ),
}


@pytest.mark.parametrize(("text", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(text: str, words: list[str]) -> None:
    with pytest.raises(NetError) as caught:
        parse_net(text, "f")
    for word in words:
        assert word in str(caught.value)


def test_places_and_unknown_fields_move_along() -> None:
    net = parse_net(
        'layers {\n layer { name: "c"\n type: "conv"\n kernelsize: 3\n my_param { a: 1 }\n blobs_lr: 1\n } }',
        "f",
    )
    places = net.layers[0].places
    assert str(places["name"]) == "f:2:10"
    assert str(places["convolution_param.kernel_size"]) == "f:4:2"
    assert str(places["param.lr_mult"]) == "f:6:2"
    assert [(u.path, u.value) for u in net.layers[0].unknown] == [("my_param.a", 1)]


def test_setting_of_another_type_is_noted() -> None:
    net = parse_net('layers { layer { name: "r" type: "relu" kernelsize: 3 } }')
    assert net.notes[0] == 'layer "r" (relu) of the 2013 format has no kernelsize: ignored'


@pytest.mark.parametrize(("word", "name"), SOLVER_TYPES.items())
def test_solver_type(word: str, name: str) -> None:
    solver = upgrade_solver(
        parse_text(f"solver_type: {word}", "f", "SolverParameter").message, "nets/lenet_solver.prototxt"
    )
    assert solver == parse_text(f'type: "{name}" snapshot_prefix: "nets/lenet_solver"', "f", "SolverParameter").message


def test_solver_of_today_stays() -> None:
    solver = parse_text('type: "Adam" snapshot_prefix: "x"', "f", "SolverParameter").message
    assert upgrade_solver(solver, "f") == solver


def test_solver_with_both_types_is_refused() -> None:
    solver = parse_text('type: "Adam" solver_type: SGD', "f", "SolverParameter").message
    with pytest.raises(CaffeError, match="f: both solver_type and type"):
        upgrade_solver(solver, "f")


def recorded_layers(path: Path) -> list[tuple[str, str]]:
    """Name and type of the layers that Caffe ran, but for the Splits that it put in itself."""
    with h5py.File(path) as file:
        layers = [file["layer"][key].attrs for key in sorted(file["layer"])]
        return [(one["name"], one["type"]) for one in layers if one["type"] not in ("Split", "Input")]


@pytest.mark.parametrize("folder", ["senet", "tiny", "zoo", "mtcnn"])
def test_reference_nets_are_what_caffe_ran(folder: str) -> None:
    nets = recorded_nets(folder)
    if not nets:
        absent(f"prototxts of {folder}")
    for net in nets:
        layers = [one.message for one in filter_net(read_net(net.prototxt)).layers]
        ours = [(one.name, one.type) for one in layers if one.type != "Input"]
        assert ours == recorded_layers(net.dump), net.id
