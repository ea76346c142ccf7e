"""SENets in the layouts of timm and MindCV: every name, the outputs of their own modules, and the way back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from safetensors.numpy import load_file, save_file

import caffe2py
from caffe2py.backends.preprocessing import preprocessing
from caffe2py.errors import CaffeError, FileError, UnsupportedError, WeightError
from caffe2py.frontends.caffe.targets import target
from caffe2py.frontends.senets.layouts import ALIASES, COUNTED, LAYOUTS, blobs_of, layout
from caffe2py.frontends.senets.load import built, load_layout
from caffe2py.frontends.senets.recognise import timm_weights
from tests.helpers.handbook import walk
from tests.helpers.layer_cases import relative
from tests.helpers.nets import SMALL as CONV
from tests.helpers.nets import command, graph_of
from tests.helpers.reference import reference
from tests.helpers.timm_nets import draw_statistics, timm_module
from tools.make_caffemodel import draw

ROUNDING = 2e-6
SMALL = ("--input", "data=1,3,64,64")
RGB = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))  # mean and deviation of pictures from 0 to 255
RELEASE = {
    "SE-ResNet-50": "legacy_seresnet50",
    "SE-ResNet-101": "legacy_seresnet101",
    "SE-ResNet-152": "legacy_seresnet152",
    "SE-ResNeXt-50": "legacy_seresnext50_32x4d",
    "SE-ResNeXt-101": "legacy_seresnext101_32x4d",
    "SENet-154": "legacy_senet154",
}


def shapes(name: str) -> dict[str, tuple[int, ...]]:
    """The tensors of a layout with their shapes, as the layout has them."""
    found = LAYOUTS[name]
    nodes = {n.name: n for n in built(found, (1, 3, found.size, found.size), 1000).nodes}
    made: dict[str, tuple[int, ...]] = {}
    for each in blobs_of(found):
        have = [w.shape for w in nodes[each.layer].weights]
        if found.words.flat_gates and each.layer.endswith(("1x1_down", "1x1_up")):
            have[0] = have[0][:2]
        made.update(zip(each.tensors, have, strict=False))
    return made


@pytest.mark.parametrize("net", RELEASE)
def test_the_maps_of_the_release_hold(net: str) -> None:
    """Each layer of the release's net, and what its blobs are called in timm."""
    wanted = json.loads(reference(f"timm/{net}__{RELEASE[net]}.json").read_text())
    ours = {b.layer: b.tensors for b in blobs_of(LAYOUTS[f"timm/{RELEASE[net]}"])}
    assert {w["caffe_layer"]: tuple(filter(None, w["timm"])) for w in wanted} == ours


def manifest(name: str) -> dict[str, Any]:
    return json.loads(reference(name).read_text())  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", sorted(manifest("interop/timm_manifest.json")))
def test_timms_tensors_have_their_shapes(name: str) -> None:
    wanted = manifest("interop/timm_manifest.json")[name]
    assert shapes(f"timm/{name}") == {k: tuple(v) for k, v in wanted.items()}


@pytest.mark.parametrize("name", ["seresnet18", "seresnet50"])
def test_mindcvs_tensors_have_their_shapes(name: str) -> None:
    wanted = manifest(f"interop/mindcv/{name}.weights.json")["parameters"]
    assert shapes(f"mindcv/{name}") == {k: tuple(v["shape"]) for k, v in wanted.items()}


@pytest.fixture(scope="module")
def mindcv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MindCV's seresnet18 with the recorded net's weights."""
    said = manifest("interop/mindcv/seresnet18.weights.json")
    arrays = {
        name: np.concatenate(list(draw(made, f"{said['seed']}/{name}"))).astype(np.float32).reshape(made["shape"])
        for name, made in said["parameters"].items()
    }
    path = tmp_path_factory.mktemp("mindcv") / "seresnet18.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("size", [224, 225])
@pytest.mark.parametrize("words", [("bvlc", False), ("bvlc-2017", True)])
def test_mindcvs_net_gives_what_mindspore_gave(size: int, words: tuple[str, bool], mindcv: Path) -> None:
    """At 225 its pooling has another border than at 224."""
    shape = (1, 3, size, size)
    graph = load_layout(mindcv, "mindcv/seresnet18", inputs={"data": shape}, target=target(words[0]), axpy=words[1])
    x = (np.random.RandomState(21).random_sample(shape) * 4 - 2).astype(np.float32)
    ours = caffe2py.run(graph, {"data": x}, record="blobs")["classifier"]
    assert relative(ours, np.load(reference("interop/mindcv/reference.npz"))[f"seresnet18/{size}/output"]) <= ROUNDING


def module_of(name: str, classes: int = 10) -> Any:
    """timm's own module with random weights and statistics."""
    module = timm_module(name, num_classes=classes)
    draw_statistics(module)
    return module


def saved(module: Any, folder: Path) -> Path:
    save_file({k: v.numpy() for k, v in module.state_dict().items()}, folder / "w.safetensors")
    return folder / "w.safetensors"


# The large ones do the same, and take minutes.
WAYS = [("as-is", "bvlc", False), ("as-is", "bvlc-2017", True), ("caffe", "bvlc-2017", False)]
MODULES = ["legacy_seresnet18", "seresnet18", "seresnet50"]


@pytest.mark.parametrize("name", MODULES)
def test_timms_module_agrees_and_comes_back(name: str, tmp_path: Path) -> None:
    """Fed as it was trained, and as Caffe feeds; for every Caffe; and back to timm's names bit for bit."""
    module = module_of(name)
    path, state = saved(module, tmp_path), {k: v.numpy() for k, v in module.state_dict().items()}
    for size in (64, 65):
        x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(size))
        with torch.inference_mode():
            wanted = module(x).numpy()
        for feed, caffe, axpy in WAYS:
            shape = (2, 3, size, size)
            words: dict[str, Any] = {"target": target(caffe), "axpy": axpy, "feed": feed}
            graph = load_layout(path, f"timm/{name}", inputs={"data": shape}, **words)
            given = x.numpy()
            if feed == "caffe":
                given = (given * (255 * np.array([0.229, 0.224, 0.225]).reshape(3, 1, 1)))[:, ::-1].astype(np.float32)
            ours = caffe2py.run(graph, {"data": given}, record="blobs")["classifier"]
            assert relative(ours, wanted) <= ROUNDING, (size, feed, caffe)
            back = timm_weights(graph)
            assert back.layout.model == name and back.classes == 10 and back.std == (0.229, 0.224, 0.225)
            assert [k for k, v in back.tensors.items() if not np.array_equal(v, state[k])] == []
            assert {k for k in state if k not in back.tensors} == {k for k in state if k.endswith(COUNTED)}


def test_the_commands_write_and_check_both_ways(tmp_path: Path) -> None:
    module = module_of("legacy_seresnet18")
    path, out, folder = saved(module, tmp_path), tmp_path / "n.prototxt", tmp_path / "timm"
    done = command("convert", path, "--as", "timm/legacy_seresnet18", "--feed", "caffe", "-o", out, *SMALL)
    assert (done.status, done.err) == (0, "") and "the module that the weights are of differs" in done.out
    text = out.read_text()
    assert "# BGR pictures, 0 to 255, less the means 103.53, 116.28, 123.675." in text and "mean_value" in text
    said = preprocessing(load_layout(path, "timm/legacy_seresnet18"))
    assert said and (said.channels, said.divisors) == ("RGB", RGB[1]) and said.mean == pytest.approx(RGB[0])
    said = preprocessing(caffe2py.load(out))
    assert said and (said.channels, said.divisors) == ("BGR", ()) and said.mean == pytest.approx(RGB[0][::-1])
    done = command("convert", out, tmp_path / "n.caffemodel", "-o", folder, "--layout", "timm")
    assert (done.status, done.err) == (0, "") and "the module that the weights are of differs" in done.out
    again = timm_module(f"local-dir:{folder}", pretrained=True)
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in module.state_dict().items())
    config = json.loads((folder / "config.json").read_text())
    assert config["architecture"] == "legacy_seresnet18" and config["pretrained_cfg"]["mean"] == [0.485, 0.456, 0.406]
    alone = tmp_path / "alone.safetensors"
    assert command("convert", out, tmp_path / "n.caffemodel", "-o", alone, "--layout", "timm", "--no-check").status == 0
    assert load_file(alone).keys() == load_file(folder / "model.safetensors").keys()


def test_the_page(mindcv: Path, tmp_path: Path) -> None:
    """docs/into-caffe.md, with an ONNX of a small net."""
    onnx.save(caffe2py.to_onnx(graph_of(CONV, weights=True)), tmp_path / "model.onnx")
    (tmp_path / "seresnet18.npz").symlink_to(mindcv)
    saved(module_of("seresnet18"), tmp_path).rename(tmp_path / "seresnet18.safetensors")
    weights = saved(module_of("legacy_seresnet18"), tmp_path)
    words = ("--as", "timm/legacy_seresnet18", "--no-check", *SMALL)
    assert command("convert", weights, *words, "-o", tmp_path / "net.prototxt").status == 0
    walk("into-caffe.md", tmp_path)


def test_the_release_is_fed_bgr(tmp_path: Path) -> None:
    """timm feeds RGB: the channels of the first convolution are turned, and the mean is the release's."""
    graph = load_layout(saved(module_of("legacy_seresnet18"), tmp_path), "timm/legacy_seresnet18")
    for node in graph.nodes:
        if node.layer.is_input:
            node.message.ClearField("transform_param")
    (first,) = (n for n in graph.nodes if n.name == "conv1/7x7_s2")
    made = timm_weights(graph)
    assert np.array_equal(made.tensors["layer0.conv1.weight"], first.blobs()[0][:, ::-1])
    assert made.mean == tuple(m / 255 for m in (123.0, 117.0, 104.0)) and made.std == (1 / 255,) * 3
    assert np.array_equal(timm_weights(graph, turn=False).tensors["layer0.conv1.weight"], first.blobs()[0])


def test_other_names_of_a_layout() -> None:
    assert layout("timm/seresnext50_32x4d.gluon_in1k") is layout("gluon/se_resnext50_32x4d")
    assert {layout(alias).model for alias in ALIASES} == {
        "seresnext50_32x4d", "seresnext101_32x4d", "seresnext101_64x4d", "senet154"
    }  # fmt: skip
    with pytest.raises(FileError, match="mindcv/seresnet18"):
        layout("timm/resnet50")


def test_tensors_that_do_not_fit_are_all_told(mindcv: Path, tmp_path: Path) -> None:
    with np.load(mindcv) as file:
        arrays = dict(file)
    arrays["layer0.0.weight"] = arrays["layer0.0.weight"][:, :1]
    arrays["strange"] = arrays.pop("classifier.bias")
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(WeightError) as error:
        load_layout(tmp_path / "w.npz", "mindcv/seresnet18")
    lines = str(error.value).splitlines()[1:]
    assert [line.split()[0] for line in lines] == ["layer0.0.weight", "classifier.bias", "strange"]


def test_a_net_that_timm_has_not(mindcv: Path) -> None:
    with pytest.raises(UnsupportedError, match="legacy_seresnet50"):
        timm_weights(load_layout(mindcv, "mindcv/seresnet18"))
    with pytest.raises(WeightError, match="no weights"):
        timm_weights(built(LAYOUTS["timm/legacy_seresnet18"], (1, 3, 224, 224), 1000))


@pytest.mark.parametrize("shape", [(1, 3, 224, 225), (1, 1, 224, 224)])
def test_pictures_that_no_net_takes(shape: tuple[int, ...], mindcv: Path) -> None:
    with pytest.raises(CaffeError):
        load_layout(mindcv, "mindcv/seresnet18", inputs={"data": shape})


WRONG = {
    "no feed without a layout": ["net.prototxt", "--feed", "caffe", "-o", "out.prototxt"],
    "no folder of Caffe's": ["net.npz", "--as", "mindcv/seresnet18", "-o", "folder"],
    "no prototxt of timm's": ["net.npz", "--as", "mindcv/seresnet18", "--layout", "timm", "-o", "out.prototxt"],
    "a layout of nobody": ["net.npz", "--as", "timm/resnet18", "-o", "out.prototxt"],
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_words_are_told(case: str, mindcv: Path, tmp_path: Path) -> None:
    words = [mindcv if w == "net.npz" else tmp_path / w if w in ("out.prototxt", "folder") else w for w in WRONG[case]]
    done = command("convert", *words)
    assert done.status not in (0, 3) and done.err and not list(tmp_path.iterdir())
