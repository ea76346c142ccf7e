"""`detect`: what is found where, in pixels of the picture; the table, the JSON and the drawing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import caffe2py
from caffe2py.errors import CaffeError
from caffe2py.evaluate import detect
from caffe2py.evaluate.detection import drawn
from caffe2py.evaluate.pictures.net_input import Choices
from tests.helpers.absent import needs_module
from tests.helpers.detector import BLOBS, QUARTERS, STAGES
from tests.helpers.handbook import every_block, run
from tests.helpers.nets import SMALL, command, graph_of, random_weights, write_net
from tests.helpers.packages import packed
from tests.helpers.published import FACES
from tests.helpers.tables.detection import apart

cv2 = needs_module("cv2", "OpenCV")

PLAIN = ("--mean", "0")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The net; a wide picture that is red at the top right and blue at the bottom left, and one of nothing."""
    here = tmp_path_factory.mktemp("detect")
    write_net(here, QUARTERS, BLOBS)
    picture = np.zeros((200, 400, 3), np.uint8)
    cv2.imwrite(str(here / "nothing.png"), picture)
    picture[:100, 200:] = (0, 0, 200)
    picture[100:, :200] = (100, 0, 0)
    cv2.imwrite(str(here / "two.png"), picture)
    (here / "bad.png").write_text("no picture")
    (here / "names.txt").write_text("nothing\nred\nblue\n")
    (here / "labelmap.prototxt").write_text(
        'item {\n  name: "none"\n  label: 0\n  display_name: "background"\n}\n'
        'item { name: "n01" label: 1 display_name: "red" }\nitem { label: 2 name: "blue" }\n'
    )
    return here


def net(folder: Path) -> list[Path]:
    return [folder / "net.prototxt", folder / "net.caffemodel"]


def test_the_table(folder: Path) -> None:
    pictures = [folder / "two.png", folder / "nothing.png", folder / "bad.png"]
    done = command("detect", *net(folder), *pictures, *PLAIN, "--names", folder / "names.txt")
    assert done.out.splitlines() == [
        f"{pictures[0]}: 2 found",
        "     score    left    top  right bottom  label",
        "  100.000%     200      0    400    100  1 red",
        "   99.904%       0    100    200    200  2 blue",
        f"{pictures[1]}: nothing found",
        f"{pictures[2]}: no image (text)",
    ]
    assert done.status == 1


@pytest.mark.parametrize("names", ["names.txt", "labelmap.prototxt"])
@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_json(folder: Path, names: str, backend: str) -> None:
    more = ("--json", "--threshold", 0.9995, "--names", folder / names, "--backend", backend)
    done = command("detect", *net(folder), folder / "two.png", *PLAIN, *more)
    (image,) = json.loads(done.out)["images"]
    (thing,) = image["things"]
    assert (thing["label"], thing["name"], thing["box"]) == (1, "red", pytest.approx([200, 0, 400, 100], abs=1e-3))
    assert image["image"] == str(folder / "two.png") and thing["score"] == pytest.approx(1, abs=1e-5)


# What the net sees of the picture of 400 x 200, and where its red quarter is then.
SEEN = {
    "warp": (Choices(mean=(0.0,)), [200, 0, 400, 100]),
    "the crop in the middle": (Choices(mean=(0.0,), resize="opencv-linear", size=20), [200, 20, 280, 100]),
    "as it is": (Choices(mean=(0.0,), resize="none"), [200, 92, 208, 100]),
}


@pytest.mark.parametrize("choices, box", SEEN.values(), ids=SEEN)
def test_boxes_are_in_pixels_of_the_picture(folder: Path, choices: Choices, box: list[int]) -> None:
    (image,), _ = detect(caffe2py.load(*net(folder)), [folder / "two.png"], choices=choices)
    assert list(image.things[0].box) == pytest.approx(box, abs=1e-3)


def test_a_picture_with_the_boxes(folder: Path, tmp_path: Path) -> None:
    done = command("detect", *net(folder), folder / "two.png", *PLAIN, "-o", tmp_path / "out.png")
    assert done.status == 0
    before, after = (cv2.imread(str(path)) for path in (folder / "two.png", tmp_path / "out.png"))
    assert after.shape == before.shape
    same = (after == before).all(2)
    assert not same[:100, 200].any() and not same[100, 200:].any()  # the box of the red quarter
    assert same[120:, 220:].all()  # where nothing is


def test_several_pictures_go_into_a_folder(folder: Path, tmp_path: Path) -> None:
    pictures = [folder / "two.png", folder / "nothing.png"]
    assert command("detect", *net(folder), *pictures, *PLAIN, "-o", tmp_path / "out").status == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["nothing.png", "two.png"]
    again = command("detect", *net(folder), folder / "two.png", folder / "two.png", *PLAIN, "-o", tmp_path / "out")
    assert again.status == 1 and "would be the picture of two images" in again.err


def test_drawing_leaves_the_picture_alone() -> None:
    picture = np.zeros((30, 40, 3), np.uint8)
    assert drawn(picture, ()) is not picture and not drawn(picture, ()).any() and not picture.any()


def test_a_default_mean_is_told(folder: Path) -> None:
    _, notes = detect(caffe2py.load(*net(folder)), [folder / "two.png"])
    assert notes == ["the mean [104.0, 117.0, 123.0] is subtracted (--mean)"]


def test_a_net_that_finds_nothing(tmp_path: Path) -> None:
    graph = caffe2py.load(*write_net(tmp_path, SMALL))
    with pytest.raises(
        CaffeError, match=r'has 0 outputs that say what was found .* are "gate" \(Sigmoid\), "prob" \(So'
    ):
        detect(graph, ["any.png"])


def test_a_training_file_is_deployed(folder: Path, tmp_path: Path) -> None:
    """The net that the caffemodel came from, with its own data layer and what measures it."""
    data, rest = QUARTERS.split("\n", 2)[1:]
    source = """layer { name: "data" type: "AnnotatedData" top: "data" top: "label"
      transform_param { resize_param { height: 16 width: 16 } } data_param { source: "lmdb" batch_size: 1 } }"""
    measure = """layer { name: "eval" type: "DetectionEvaluate" bottom: "found" bottom: "label" top: "eval"
      detection_evaluate_param { num_classes: 3 } }"""
    assert 'type: "Input"' in data
    (tmp_path / "test.prototxt").write_text(f"{source}\n{rest}{measure}")
    done = command("detect", tmp_path / "test.prototxt", folder / "net.caffemodel", folder / "two.png", *PLAIN)
    assert (done.status, done.out.count("\n")) == (0, 4), done.err


def test_classify_says_who_does_it(folder: Path) -> None:
    done = command("classify", *net(folder), folder / "two.png")
    assert done.status == 1 and 'blob "found" says what was found and where; want caffe2py detect' in done.err


WRONG = {
    "out.gif": "is no name for a picture; want one that ends in .png or .jpg",
    "absent/out.png": "there is no folder",
}


@pytest.mark.parametrize("out", WRONG)
def test_a_place_for_no_picture(folder: Path, tmp_path: Path, out: str) -> None:
    done = command("detect", *net(folder), folder / "two.png", *PLAIN, "-o", tmp_path / out)
    assert done.status == 1 and WRONG[out] in done.err, done.err


@pytest.mark.parametrize("name", STAGES)
def test_what_is_left_of_regions(name: str, folder: Path, tmp_path: Path) -> None:
    """Of two stages: each region's box moved by what is said for the label, cut to the picture, and kept apart."""
    blobs = {layer: [(b - 0.5) / 4 for b in row] for layer, row in random_weights(graph_of(STAGES[name])).items()}
    graph = caffe2py.load(*write_net(tmp_path, STAGES[name], blobs))
    (image,), _ = detect(graph, [folder / "two.png"], threshold=0.0, choices=Choices(mean=(0.0,), scale=0.01))
    picture = cv2.resize(cv2.imread(str(folder / "two.png")), (64, 48)).astype(np.float32)
    inputs = {"data": picture.transpose(2, 0, 1)[None] / 100, "im_info": np.array([[48.0, 64.0, 1.0]])}
    values = caffe2py.run(graph, inputs, record="blobs")
    prob = values["out" if name == "R-FCN" else "prob"]
    rois, said = values["rois"][:, 1:], values["bbox"].reshape(len(prob), -1)
    side = rois[:, 2:] - rois[:, :2] + 1
    found = []
    for label in range(1, 4):
        d = said[:, 4:8] if name == "R-FCN" else said[:, 4 * label : 4 * label + 4]
        middle, half = rois[:, :2] + side / 2 + d[:, :2] * side, np.exp(d[:, 2:]) * side / 2
        boxes = np.clip(np.hstack([middle - half, middle + half]), 0, [63, 47, 63, 47])
        order = np.argsort(-prob[:, label], kind="stable")
        kept = order[apart(boxes[order].tolist(), 0.3, pixel=1)]
        found += [(label, prob[i, label], *boxes[i] * [400 / 64, 200 / 48, 400 / 64, 200 / 48]) for i in kept]
    made = sorted((thing.label, thing.score, *thing.box) for thing in image.things)
    assert len(made) > 3
    np.testing.assert_allclose(made, sorted(found), rtol=1e-4, atol=1e-2)


GRID = """name: "grid"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 48 dim: 64 } } }
layer { name: "pool" type: "Pooling" bottom: "data" top: "pool"
  pooling_param { pool: AVE kernel_size: 16 stride: 16 } }
layer { name: "cover" type: "Convolution" bottom: "pool" top: "cover"
  convolution_param { num_output: 2 kernel_size: 1 } }
layer { name: "said" type: "Convolution" bottom: "pool" top: "said" convolution_param { num_output: 4 kernel_size: 1 } }
layer { name: "cluster" type: "Python" bottom: "cover" bottom: "said" top: "reds" top: "blues" python_param {
  module: "caffe.layers.detectnet.clustering" layer: "ClusterDetections" param_str: "64, 48, 16, 0.6, 2, 2.0, 5, 2" } }
"""
GRID_BLOBS = {
    "cover": [np.array([[0, 0, 0.01], [0.01, 0, 0]], np.float32).reshape(2, 3, 1, 1), np.zeros(2, np.float32)],
    "said": [np.zeros((4, 3, 1, 1), np.float32), np.array([0, 0, 16, 16], np.float32)],
}


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_boxes_of_a_grid(backend: str, tmp_path: Path) -> None:
    """Four red cells say 16 x 16 pixels where they are, and agree on the middle; three blue ones in a row likewise."""
    picture = np.zeros((96, 128, 3), np.uint8)
    picture[32:96, 32:96] = (0, 0, 200)
    picture[0:32, 0:96] = (200, 0, 0)
    cv2.imwrite(str(tmp_path / "cells.png"), picture)
    net = write_net(tmp_path, GRID, GRID_BLOBS)
    done = command("detect", *net, tmp_path / "cells.png", *PLAIN, "--backend", backend, "--json")
    (image,) = json.loads(done.out)["images"]
    assert [(t["label"], t["box"]) for t in image["things"]] == [(0, [48, 48, 80, 80]), (1, [32, 0, 64, 32])]
    # A score is rounded to float16, as DetectNet's is.
    assert [t["score"] for t in image["things"]] == pytest.approx(np.log([4, 3]), abs=1e-3)


def test_what_tells_the_size_may_have_four_axes(folder: Path, tmp_path: Path) -> None:
    """As `input_dim` of old says it: 1, 3, 1, 1."""
    found = []
    for shape in ("shape { dim: 1 dim: 3 }", "shape { dim: 1 dim: 3 dim: 1 dim: 1 }"):
        source = STAGES["Faster R-CNN"].replace("shape { dim: 1 dim: 3 }", shape)
        graph = caffe2py.load(*write_net(tmp_path, source, random_weights(graph_of(source))))
        (image,), _ = detect(graph, [folder / "two.png"], threshold=0.0, choices=Choices(mean=(0.0,), scale=0.01))
        found.append(image.things)
    assert found[0] and found[0] == found[1]


def test_faces_in_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenCV's face detector, with its trained weights, on a picture of five people."""
    files = [FACES.net().prototxt, FACES.net().weights]
    picture = packed(FACES.package, "face_detection_input.jpg")
    for file, name in zip((*files, picture), ("deploy.prototxt", files[1].name, "people.jpg"), strict=True):
        (tmp_path / name).symlink_to(file)
    (shown,) = [block for block in every_block("evaluate.md") if "people.jpg" in block.text]
    monkeypatch.chdir(tmp_path)
    run(shown)
    out = tmp_path / "found.png"
    done = command("detect", *files, picture, "--mean", "104,177,123", "--threshold", 0.8, "--json", "-o", out)
    (image,) = json.loads(done.out)["images"]
    middles = sorted((t["box"][0] + t["box"][2]) / 2 for t in image["things"])
    assert middles == pytest.approx([266, 578, 874, 1246, 1668], abs=20)  # told by looking at it
    assert all(t["label"] == 1 and 100 < t["box"][3] - t["box"][1] < 250 for t in image["things"])
    assert cv2.imread(str(out)).shape == cv2.imread(str(picture)).shape
