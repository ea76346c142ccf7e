"""Which Caffe must read what is written: what each of them lacks is said in another exact way, or is listed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from safetensors.numpy import save_file

import caffe2py
from caffe2py.backends.convert import convert
from caffe2py.errors import CaffeError, UnsupportedError
from caffe2py.frontends.caffe.history import LAST, SINCE, since
from caffe2py.frontends.caffe.targets import target, targets
from caffe2py.frontends.onnx.translate import load_onnx
from caffe2py.frontends.reading import load_foreign
from caffe2py.proto import forks
from caffe2py.proto.names import v1_type_name, v1_word
from caffe2py.proto.schema import LAYER, NetParameter, V1LayerParameter
from caffe2py.proto.weights.read import read_weights
from tests.helpers.nets import command
from tests.helpers.onnx_models import differences, ints, model, node, saved, weights
from tests.helpers.tables.onnx_lacking import LACKING
from tests.helpers.tables.onnx_operators import SAID, path_of

ROUNDING = 2e-6  # both sides add in float32, in other orders
FOUR = ("bvlc-2015", "bvlc-2014", "deconvnet")  # whose blobs have four axes

# What no file for them may hold.
ABSENT = {
    "bvlc-2016": ["input_param", '"Input"', "round_mode", '"Clip"'],
    "segnet": ["input_param", '"Input"', '"Scale"', '"BatchNorm"', '"Tile"', "dilation", '"Parameter"'],
    "bvlc-2015": ["input_param", "input_shape", "axis:", '"Reshape"', '"PReLU"', '"Log"'],
    "bvlc-2014": ["layer {", "input_shape", "axis:", '\n  type: "', "RESHAPE", "shape {"],
    "deconvnet": ["layer {", "input_shape", "axis:", '\n  type: "', "RESHAPE", "shape {"],
}


@pytest.mark.parametrize("name", ABSENT)
@pytest.mark.parametrize("part", range(8))
def test_what_a_target_lacks_is_said_otherwise(name: str, part: int, tmp_path: Path, whole: bool) -> None:
    """The same values, in words that it has, read back from both files; or an error that names what it lacks."""
    for case in list(SAID)[part :: 8 if whole else 32]:
        said = SAID[case]
        path = path_of(said, tmp_path)
        refused = case in LACKING[name] or (name in FOUR and any(len(s) != 4 for s in said.shapes.values()))
        if refused:
            with pytest.raises(UnsupportedError, match=name):
                load_onnx(path, target=target(name))
            continue
        graph, found = differences(path, said.low, target=name)
        assert max(found.values()) <= ROUNDING, (case, found)
        files = convert(graph, tmp_path / "net.prototxt")
        text = files[0].read_text()
        assert [word for word in ABSENT[name] if word in text] == [], case
        x = {
            k: np.floor(weights(*s, low=max(said.low, 0))) if k in said.whole else weights(*s, low=said.low)
            for k, s in graph.inputs.items()
        }
        ours, again = caffe2py.run(graph, x), caffe2py.run(caffe2py.load(*files), x)
        assert ours.keys() == again.keys() and all(np.array_equal(ours[k], again[k]) for k in ours), case


def test_what_is_written_parses_by_a_schema_of_2014(tmp_path: Path) -> None:
    """Protobuf's own reader with the fork's own schema, and the fields of blobs as they were before shapes."""
    graph = load_onnx(path_of(SAID["a gate"], tmp_path), target=target("deconvnet"))
    prototxt, caffemodel = convert(graph, tmp_path / "net.prototxt")
    net = forks.dialect("deconvnet").message_class("NetParameter")()
    text_format.Parse(prototxt.read_text(), net)
    assert type(net.layers[0]).LayerType.Name(net.layers[0].type) == "POOLING"
    stored = NetParameter.FromString(caffemodel.read_bytes())
    blobs = [b for layer in stored.layers for b in layer.blobs]
    assert blobs and not stored.layer and not any(b.HasField("shape") for b in blobs)
    assert all(b.num * b.channels * b.height * b.width == len(b.data) for b in blobs)
    assert read_weights(caffemodel).version == "V1"


def test_the_words_of_2014() -> None:
    words = V1LayerParameter.LayerType.keys()
    assert [v1_word(v1_type_name(w)) for w in words] == list(words)


def test_the_history_names_what_there_is() -> None:
    """Every field of it is one of the schema's, every Caffe a release or a fork."""
    fields = [what.partition("[")[0] for what in SINCE if "." in what]
    assert all(forks.dialect("bvlc").layer_field(path) is not None for path in fields)
    assert set(LAST) <= set(targets()) | {"bvlc"}
    assert [since(t) for t in ("Flatten", "PReLU", "Scale", "Clip")] == [129, 131, 142, 148]
    blocks = {f.name: f.number for f in LAYER.fields if f.name.endswith("_param")}
    assert max(blocks.values()) == LAST["bvlc"]


def test_everything_that_a_target_lacks_is_listed(tmp_path: Path) -> None:
    nodes = [node("Reshape", "x s", "a"), node("LSTM", "a w r", "y", hidden_size=2), node("Log", "x", "z")]
    constants = {"s": ints(2, 3, 4), "w": weights(1, 8, 4), "r": weights(1, 8, 2)}
    path = saved(model(nodes, {"x": (2, 3, 4, 1)}, constants, outputs="y z"), tmp_path)
    done = command("convert", path, "-o", tmp_path / "net.prototxt", "--target", "bvlc-2014")
    assert done.status not in (0, 3) and not (tmp_path / "net.prototxt").exists()
    for words in ("3 operators", "the Reshape of a", "the LSTM of y", "the Log of z", "Log is no layer of bvlc-2014"):
        assert words in done.err


def test_an_old_file_is_upgraded_again(tmp_path: Path) -> None:
    path = path_of(SAID["conv, groups and gaps"], tmp_path)
    done = command("convert", path, "-o", tmp_path / "old.prototxt", "--target", "bvlc-2014")
    assert (done.status, done.err) == (0, "") and "onnxruntime differs" in done.out
    assert command("upgrade", tmp_path / "old.prototxt", "-o", tmp_path / "new.prototxt").status == 0
    graph, x = caffe2py.load(tmp_path / "new.prototxt", tmp_path / "old.caffemodel"), weights(2, 4, 9, 8)
    assert np.array_equal(
        caffe2py.run(graph, {"x": x})["y"], caffe2py.run(load_onnx(path, target=target("bvlc-2014")), {"x": x})["y"]
    )


def test_a_layout_is_refused_by_a_target_without_its_layers(tmp_path: Path) -> None:
    save_file({"a": np.zeros(1, np.float32)}, tmp_path / "w.safetensors")
    with pytest.raises(UnsupportedError, match="BatchNorm, as of layer"):
        load_foreign(tmp_path / "w.safetensors", layout="mindcv/seresnet18", target="bvlc-2014")


@pytest.mark.parametrize(("fork", "case", "lacks"), [("ssd", "embedding", None), ("segnet", "embedding", "Embed")])
def test_a_forks_schema_has_every_field(fork: str, case: str, lacks: str | None, tmp_path: Path) -> None:
    """What a fork's own fields stand in the place of cannot be said to its Caffe."""
    path = path_of(SAID[case], tmp_path)
    if lacks is None:
        assert max(differences(path, target=fork)[1].values()) <= ROUNDING
        return
    with pytest.raises(UnsupportedError, match=lacks):
        caffe2py.load_onnx(path, target=fork)


@pytest.mark.parametrize("words", [{"name": "c3d"}, {"dialect": "c3d"}], ids=str)
def test_blobs_of_five_sizes_are_refused(words: dict[str, str]) -> None:
    with pytest.raises(CaffeError, match="five sizes"):
        target(**words)


def test_targets_have_what_they_have() -> None:
    assert target().has("Clip") and target().has("pooling_param.round_mode")
    assert not target("bvlc-2017").has("Clip") and not target("ssd").has("Swish")
    assert target(dialect="ssd").has("Permute") and not target("ssd").has("Permute")
    assert target("yjxiong").has("Scale") and not target("yjxiong").has(
        "Tile"
    )  # it took one early, under its own number
    assert target("parsenet").has("reshape_param.shape") and not target("hed").has("reshape_param.shape")
    assert target("bvlc-2014").has("ArgMax") and not target("bvlc-2014").has("argmax_param.axis")
