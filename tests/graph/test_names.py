"""Several layers of one name: names are no identity, in no view and no file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import caffe2py
from caffe2py.errors import NetError, WeightError
from caffe2py.graph.splits import insert_splits
from caffe2py.proto.names import unique
from caffe2py.proto.weights.read import read_weights
from tests.helpers.nets import command, graph_of, random_weights, write_net
from tests.helpers.running import net as running

TWINS = """name: "twins"
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 6 dim: 5 } } }
layer { name: "c" type: "Convolution" bottom: "x" top: "a" convolution_param { num_output: 3 kernel_size: 1 } }
layer { name: "bn" type: "BatchNorm" bottom: "a" top: "b" }
layer { name: "scale" type: "Scale" bottom: "b" top: "s" scale_param { bias_term: true } }
layer { name: "c" type: "Convolution" bottom: "s" top: "d" convolution_param { num_output: 3 kernel_size: 1 } }
layer { name: "bn" type: "BatchNorm" bottom: "d" top: "e" }
layer { name: "scale" type: "Scale" bottom: "e" top: "f" scale_param { bias_term: true } }
layer { name: "crop" type: "Crop" bottom: "f" bottom: "x" top: "g" crop_param { axis: 2 } }
layer { name: "crop" type: "Pooling" bottom: "g" top: "h" pooling_param { global_pooling: true } }
"""

KEYS = {
    "none": ([], []),
    "different": (["a", "b"], ["a", "b"]),
    "thrice": (["a", "a", "b", "a"], ["a", "a#2", "b", "a#3"]),
    "taken": (["a", "a#2", "a"], ["a", "a#2", "a#2'"]),
    "nameless": (["", ""], ["", "#2"]),
}


@pytest.mark.parametrize("names, keys", KEYS.values(), ids=KEYS)
def test_keys(names: list[str], keys: list[str]) -> None:
    assert unique(names) == keys


def test_every_view_and_file_tells_them_apart(tmp_path: Path) -> None:
    prototxt, caffemodel = write_net(tmp_path, TWINS)
    graph = caffe2py.load(prototxt, caffemodel)
    x = np.random.RandomState(2).randn(2, 3, 6, 5).astype(np.float32)
    layers = caffe2py.run(graph, {"x": x}, record="layers")
    assert list(layers) == ["x", "c", "bn", "scale", "c#2", "bn#2", "scale#2", "crop", "crop#2"]
    first, second = (n.weights[0].data for n in graph.nodes if n.name == "c")
    assert not np.array_equal(first, second)
    np.testing.assert_allclose(
        layers["c#2"][0], np.einsum("ncij,oc->noij", layers["scale"][0], second[:, :, 0, 0]) + bias(graph, 4), atol=1e-5
    )
    top = layers["crop#2"][0]
    np.testing.assert_allclose(caffe2py.run(graph, {"x": x}, style="flat")["h"], top, rtol=1e-5, atol=1e-6)
    for suffix in ("pt", "onnx", "caffemodel", "safetensors"):
        caffe2py.convert(graph, tmp_path / f"out.{suffix}")
    again = caffe2py.load(prototxt, tmp_path / "out.caffemodel")
    np.testing.assert_array_equal(caffe2py.run(again, {"x": x})["h"], caffe2py.run(graph, {"x": x})["h"])
    assert command("convert", prototxt, caffemodel, "-o", tmp_path / "checked.onnx").status == 0
    assert command("show", prototxt).out.count("Crop") == 1 and graph.parameter_count() == 2 * (9 + 3 + 7 + 6)


def bias(graph: caffe2py.graph.Graph, index: int) -> np.ndarray:  # type: ignore[name-defined]
    return graph.nodes[index].weights[1].data.reshape(-1, 1, 1)


def test_dumps_tell_them_apart(tmp_path: Path) -> None:
    files = write_net(tmp_path, TWINS)
    assert command("record", *files, "-o", tmp_path / "ours.h5").status == 0
    found = command("verify", *files, "--against", tmp_path / "ours.h5", "--all")
    assert found.status == 0 and found.out.count("Convolution") == 2, found


def test_weights_of_one_go_to_the_first(tmp_path: Path) -> None:
    prototxt, caffemodel = write_net(tmp_path, TWINS)
    blobs = {k: v for k, v in random_weights(caffe2py.load(prototxt)).items() if "#" not in k}
    write_net(tmp_path, TWINS, blobs)
    with pytest.raises(WeightError, match=r'6:1: layer "c" \(Convolution\): is not in'):
        caffe2py.load(prototxt, caffemodel)
    graph = caffe2py.load(prototxt, caffemodel, fill=3)
    (note,) = graph.number_notes
    assert note.count('"c"') == 1 and "seed 3" in note
    np.testing.assert_array_equal(graph.nodes[1].weights[0].data, blobs["c"][0])


def test_of_several_stored_a_net_with_one_gets_the_last(tmp_path: Path) -> None:
    prototxt, caffemodel = write_net(tmp_path, TWINS)
    last = random_weights(caffe2py.load(prototxt))["c#2"]
    prototxt.write_text("\n".join(line for i, line in enumerate(TWINS.splitlines()) if i not in (5, 6, 7, 8, 9)))
    graph = caffe2py.load(prototxt, caffemodel)
    np.testing.assert_array_equal(graph.node("c").weights[0].data, last[0])
    assert '2 layers with weights are called "c"; in a net with one of that name the last counts' in graph.notes


def test_hdf5_cannot_hold_them(tmp_path: Path) -> None:
    graph = graph_of(TWINS, weights=True)
    with pytest.raises(WeightError, match=r"HDF5 holds the weights of one layer of a name"):
        caffe2py.convert(graph, tmp_path / "out.h5")


def test_a_running_net_gives_what_is_stored_to_the_first(tmp_path: Path) -> None:
    _, caffemodel = write_net(tmp_path, TWINS)
    stored = [layer.blobs for layer in read_weights(caffemodel).layers if layer.name == "c"]
    made = running(tmp_path, TWINS, weights=str(caffemodel))
    np.testing.assert_array_equal(made.layers[2].blobs[0].data, stored[1][0].data)
    made.save(str(tmp_path / "saved.caffemodel"))
    again = [layer.blobs for layer in read_weights(tmp_path / "saved.caffemodel").layers if layer.name == "c"]
    assert [len(blobs) for blobs in again] == [2, 2]


def test_splits_are_named_as_in_caffe() -> None:
    graph = graph_of(TWINS)
    assert graph.net is not None
    names = [layer.message.name for layer in insert_splits(graph.net).layers]
    assert names.count("crop") == 2 and "x_x_0_split" in names


LACKING = """name: "tuned"
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 4 } } }
layer { name: "fc7" type: "InnerProduct" bottom: "x" top: "a" inner_product_param { num_output: 4 } }
layer { name: "fc8" type: "InnerProduct" bottom: "a" top: "b" inner_product_param { num_output: 3
        weight_filler { type: "constant" value: 2 } } }
"""


def test_what_a_file_lacks_is_filled_and_listed(tmp_path: Path) -> None:
    prototxt, caffemodel = write_net(tmp_path, LACKING)
    prototxt.write_text(LACKING.replace('"fc8"', '"fc8_flowers"'))
    with pytest.raises(WeightError) as caught:
        caffe2py.load(prototxt, caffemodel)
    said = str(caught.value)
    assert 'layer "fc8_flowers" (InnerProduct): is not in' in said and "want weight (3, 4), bias (3,)" in said
    assert 'in the net alone: "fc8_flowers" (closest there: "fc8")' in said
    assert 'net.caffemodel alone: "fc8" (closest there: "fc8_flowers")' in said and "--fill SEED" in said
    done = command("convert", prototxt, caffemodel, "--fill", 4, "-o", tmp_path / "out.pt")
    assert done.status == 0 and '"fc8_flowers" (InnerProduct); they are made by the fillers, from seed 4' in done.err
    graph = caffe2py.load(prototxt, caffemodel, fill=4)
    np.testing.assert_array_equal(graph.node("fc8_flowers").weights[0].data, np.full((3, 4), 2, np.float32))
    assert caffe2py.load(prototxt, fill=4).number_notes == ()


def test_a_shape_that_does_not_fit_is_no_lack(tmp_path: Path) -> None:
    prototxt, caffemodel = write_net(tmp_path, LACKING)
    prototxt.write_text(LACKING.replace("num_output: 3", "num_output: 5"))
    with pytest.raises((WeightError, NetError), match=r"weight is \(3, 4\)"):
        caffe2py.load(prototxt, caffemodel, fill=4)
