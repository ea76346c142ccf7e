"""Data layers are inputs with what shape their prototxt tells; and what the single layers refuse."""

from __future__ import annotations

import numpy as np
import pytest

from caffe2py.backends.torch.run import runner
from caffe2py.errors import CaffeError
from tests.helpers.nets import graph_of
from tests.helpers.tables.layers import net

IMAGES, WINDOWS = 'type: "ImageData" top: "a" top: "b"', 'type: "WindowData" top: "a" top: "b"'
DATA, MEMORY = 'type: "Data" top: "a" top: "b" data_param { batch_size: 4 }', 'type: "MemoryData" top: "a" top: "b"'
DUMMY = 'type: "DummyData" top: "a" top: "b"'
CROP = "transform_param { crop_size: 5 }"


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (f"{DATA} transform_param {{ crop_size: 5 mean_value: [1, 2, 3] }}", [(4, 3, 5, 5), (4,)]),
        (f"{DATA} transform_param {{ crop_size: 5 force_gray: true }}", [(4, 1, 5, 5), (4,)]),
        (f"{DATA} transform_param {{ crop_size: 5 force_color: true mean_value: 9 }}", [(4, 3, 5, 5), (4,)]),
        (f"{DATA} {CROP}", [None, (4,)]),
        (DATA, [None, (4,)]),
        ('type: "Data" top: "a"', [None]),
        (f"{IMAGES} image_data_param {{ batch_size: 4 new_height: 6 new_width: 7 }}", [(4, 3, 6, 7), (4,)]),
        (f"{IMAGES} image_data_param {{ new_height: 6 new_width: 7 is_color: false }} {CROP}", [(1, 1, 5, 5), (1,)]),
        (f"{IMAGES} image_data_param {{ batch_size: 4 }}", [None, (4,)]),
        (f"{MEMORY} memory_data_param {{ batch_size: 4 channels: 2 height: 6 width: 7 }}", [(4, 2, 6, 7), (4,)]),
        (f"{WINDOWS} window_data_param {{ batch_size: 4 }} {CROP}", [(4, 3, 5, 5), (4,)]),
        ('type: "HDF5Data" top: "a" top: "b" top: "c" hdf5_data_param { batch_size: 4 }', [None, None, None]),
        (f"{DUMMY} dummy_data_param {{ shape {{ dim: 2 dim: 3 }} }}", [(2, 3), (2, 3)]),
        (
            f"{DUMMY} dummy_data_param {{ num: [2, 4] channels: 3 height: 5 width: [7, 6] }}",
            [(2, 3, 5, 7), (4, 3, 5, 6)],
        ),
    ],
)
def test_data_layers_are_inputs(layer: str, shapes: list[tuple[int, ...] | None]) -> None:
    assert list(graph_of(f'layer {{ name: "data" {layer} }}').inputs.values()) == shapes


def test_dummy_data_with_fillers_makes_its_values() -> None:
    graph = graph_of(
        'layer { name: "d" type: "DummyData" top: "a" top: "b" dummy_data_param { '
        'shape { dim: 200 dim: 50 } data_filler { type: "gaussian" mean: 3 std: 0.5 } data_filler { value: 7 } } }'
    )
    assert not graph.inputs
    a, b = (runner(graph, "flat").module)()
    again, _ = (runner(graph, "exact").module)()
    assert abs(a.mean() - 3) < 0.03 and abs(a.std() - 0.5) < 0.02  # 10000 draws: 6 deviations of the mean
    np.testing.assert_array_equal(b, np.full((200, 50), 7))
    np.testing.assert_array_equal(a, again)


def test_hdf5_output_does_nothing() -> None:
    inputs = ("x", "label")
    made = [f'layer {{ name: "{x}" type: "Input" top: "{x}" input_param {{ shape {{ dim: 2 }} }} }}' for x in inputs]
    output = 'layer { name: "out" type: "HDF5Output" bottom: "x" bottom: "label" hdf5_output_param { file_name: "f" } }'
    graph = graph_of("\n".join([*made, output]))
    assert graph.outputs == () and runner(graph, "flat").module(None, None) is None


# What Caffe refuses

X, SMALL_X = (2, 3, 8, 9), (2, 3, 5, 6)


@pytest.mark.parametrize(
    ("type_", "params", "shapes", "message"),
    [
        ("LRN", "lrn_param { local_size: 4 }", [X], "local_size is 4; want an odd number"),
        ("LRN", "", [(2, 3)], "want 4 axes"),
        ("ArgMax", "argmax_param { top_k: 217 }", [X], "top_k is 217 for a bottom of shape (2, 3, 8, 9)"),
        ("ArgMax", "argmax_param { top_k: 4 axis: 1 }", [X], "(2, 3, 8, 9); want 1 to 3"),
        ("ArgMax", "argmax_param { axis: 4 }", [X], "axis 4 is outside"),
        ("Crop", "crop_param { offset: 4 }", [X, SMALL_X], "axis 2 of (2, 3, 8, 9) has no 5 values from offset 4 on"),
        ("Crop", "crop_param { offset: 1 offset: 1 offset: 1 }", [X, SMALL_X], "gives 3 offset for 2 axes"),
        ("Crop", "", [SMALL_X, X], "axis 2 of (2, 3, 5, 6) has no 8 values"),
        ("Crop", "", [X, (5, 6)], "want at least as many axes"),
        ("Clip", "", [X], "gives no min"),
        ("Exp", "exp_param { base: 0 }", [X], "base is 0; want a number above 0"),
        ("Exp", "exp_param { base: -2 }", [X], "base is -2; want a number above 0"),
        ("Log", "log_param { base: 1 }", [X], "base is 1; want a number above 0 other than 1"),
        ("Tile", "", [X], "tiles is 0; want at least 1"),
        ("Tile", "tile_param { tiles: 2 axis: 4 }", [X], "axis 4 is outside"),
        ("Embed", "embed_param { num_output: 3 }", [X], "input_dim 0"),
        ("Filter", "", [X, (2, 3)], "want one value for each sample"),
        ("Filter", "", [X, (3,)], "is not (3,) samples"),
        ("BatchReindex", "", [X, (2, 1)], "want a list of indices"),
        ("MVN", "", [(1, 2, 3, 4, 5)], "want 4 axes at the most"),
        ("SPP", "", [X], "pyramid_height is 0"),
        ("SPP", "spp_param { pyramid_height: 4 }", [(1, 2, 7, 16)], "want a smaller pad"),
        ("SPP", "spp_param { pyramid_height: 2 pool: STOCHASTIC }", [X], "STOCHASTIC"),
        ("Reduction", "reduction_param { axis: 4 }", [X], "axis 4 is outside"),
        ("Im2col", "convolution_param { kernel_size: 2 axis: 3 }", [X], "has no spatial axes"),
        ("Im2col", "", [X], "gives no kernel_size"),
        (
            "Deconvolution",
            "convolution_param { kernel_size: 2 num_output: 4 group: 2 }",
            [X],
            "group 2 does not divide",
        ),
        ("Deconvolution", "convolution_param { kernel_size: 2 num_output: 4 pad: 9 }", [X], "want a smaller pad"),
        ("Pooling", "pooling_param { kernel_h: 2 }", [X], "want kernel_size, or both kernel_h and kernel_w"),
        ("Pooling", "pooling_param { kernel_size: 2 kernel_h: 2 kernel_w: 2 }", [X], "does not say its kernel once"),
        ("Pooling", "pooling_param { kernel_size: 2 pad_h: 1 }", [X], "does not say its pad once"),
        ("Pooling", "pooling_param { kernel_size: 2 stride: 2 stride_w: 1 }", [X], "does not say its stride once"),
        ("Pooling", "pooling_param { kernel_size: 5 stride: 2 }", [(1, 2, 3, 9)], "too small for a kernel of 5"),
        ("Flatten", "flatten_param { axis: 3 end_axis: 1 }", [X], "end_axis 1 is before axis 3"),
        ("PReLU", "", [(1, 2, 3, 4, 5)], "want 4 axes at the most"),
        ("Axpy", "", [(1, 2), (1, 2, 1, 1, 3), (1, 2, 1, 1, 3)], "want 4 axes at the most"),
        ("Dropout", "dropout_param { dropout_ratio: 2 }", [X], "dropout_ratio is 2; want 0 to 1"),
        ("ReLU", "param { lr_mult: 1 }", [X], "has 1 param for 0 learned blobs"),
        ("Split", "", [X, X], "has 2 bottoms; want 1"),
        ("Bias", "bias_param { axis: 3 num_axes: 2 }", [X], "num_axes 2 from axis 3 on is outside"),
        ("Bias", "", [X, (4,)], "does not fit bottom 0"),
    ],
)
def test_refuses(type_: str, params: str, shapes: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(CaffeError) as error:
        graph_of(net(type_, params, shapes))
    assert message in str(error.value) and 'layer "y"' in str(error.value)


@pytest.mark.parametrize("type_", ["AbsVal", "Flatten", "Reshape", "Split"])
def test_refuses_to_work_in_place(type_: str) -> None:
    with pytest.raises(CaffeError, match="works in place"):
        graph_of(net(type_, "", [X]).replace('"y0"', '"x0"'))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ('type: "MemoryData" top: "a" top: "b" memory_data_param { batch_size: 4 }', "leaves out a size"),
        ('type: "WindowData" top: "a" top: "b"', "gives no crop_size"),
        ('type: "DummyData" top: "a"', "gives no shape"),
        ('type: "DummyData" top: "a" dummy_data_param { num: 1 channels: 2 }', "leaves out a size"),
        ('type: "DummyData" top: "a" dummy_data_param { num: 1 shape { dim: 1 } }', "gives both shape and num"),
        ('type: "DummyData" top: "a" dummy_data_param { shape { } data_filler { type: "zero" } }', 'of type "zero"'),
        ('type: "ImageData" top: "a"', "has 1 tops; want 2"),
    ],
)
def test_refuses_data(layer: str, message: str) -> None:
    with pytest.raises(CaffeError) as error:
        graph_of(f'layer {{ name: "data" {layer} }}')
    assert message in str(error.value)
