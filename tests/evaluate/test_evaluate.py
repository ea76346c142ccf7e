"""`evaluate` on a small net and images of its own: what counts, what is kept, what is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import caffe2py
from caffe2py.errors import CaffeError, FileError
from caffe2py.evaluate import evaluate
from caffe2py.evaluate.evaluation import TIMM, Evaluation
from caffe2py.evaluate.labels.classes import permutation
from caffe2py.evaluate.network import Engine, scores_only
from caffe2py.evaluate.results.predictions import read_predictions
from caffe2py.evaluate.results.shards import Shard
from caffe2py.graph import Graph
from tests.helpers.absent import needs_module
from tests.helpers.nets import command, graph_of, random_weights, write_net

cv2 = needs_module("cv2", "OpenCV")

# A small net of twelve classes, and images of its own

NET = """name: "twelve"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 32 dim: 32 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 16 kernel_size: 5 stride: 3 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc" inner_product_param { num_output: 12 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
HEAD = NET[: NET.index('layer { name: "prob"')]
IMAGES = 30


@pytest.fixture(scope="module")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with net.prototxt, net.caffemodel, images/ and val.txt: each image's label is what the net says of it,
    but for every third image."""
    folder = tmp_path_factory.mktemp("twelve")
    random = np.random.RandomState(3)
    centred = {
        "conv": [random.randn(16, 3, 5, 5).astype(np.float32), np.zeros(16, np.float32)],
        "fc": [random.randn(12, 16 * 10 * 10).astype(np.float32), np.zeros(12, np.float32)],
    }
    write_net(folder, NET, centred)
    (folder / "images").mkdir()
    for i in range(IMAGES):
        pixels = random.randint(0, 256, (40 + i, 55 - i, 3), np.uint8)
        cv2.imwrite(str(folder / "images" / f"{i:02}.png"), pixels)
    blank = "".join(f"{i:02}.png 0\n" for i in range(IMAGES))
    (folder / "val.txt").write_text(blank)
    first = evaluate(load(folder), folder / "images", folder / "val.txt")
    lines = [f"{p.image} {(p.classes[0] + (i % 3 == 0)) % 12}\n" for i, p in enumerate(first.predictions)]
    (folder / "val.txt").write_text("".join(lines))
    return folder


def load(folder: Path) -> Graph:
    return caffe2py.load(folder / "net.prototxt", folder / "net.caffemodel")


def test_every_third_is_wrong(twelve: Path) -> None:
    result = evaluate(load(twelve), twelve / "images", twelve / "val.txt", batch_size=7)
    assert (result.top1.wrong, result.top1.total) == (10, IMAGES)
    assert result.param_count == 16 * 3 * 25 + 16 + 12 * 1600 + 12
    assert [p.rank == 1 for p in result.predictions] == [i % 3 != 0 for i in range(IMAGES)]


@pytest.mark.parametrize("batch", [1, 4, 64])
def test_progress_is_told(batch: int, twelve: Path) -> None:
    told: list[tuple[int, int]] = []
    evaluate(
        load(twelve), twelve / "images", twelve / "val.txt", batch_size=batch, progress=lambda *at: told.append(at)
    )
    assert told == [(min(i, IMAGES), IMAGES) for i in range(0, IMAGES + batch, batch)][: len(told)]
    assert (told[0], told[-1]) == ((0, IMAGES), (IMAGES, IMAGES))


@pytest.mark.parametrize(
    ("precision", "tolerance"), [("bf16", 2e-2), ("fp16", 3e-3)]
)  # 8 and 11 bits, of 1600 products
def test_half_precision_is_near(precision: str, tolerance: float, twelve: Path) -> None:
    results = [
        evaluate(load(twelve), twelve / "images", twelve / "val.txt", engine=Engine(precision=p))
        for p in ("fp32", precision)
    ]
    full, half = (np.array([p.scores[0] for p in r.predictions]) for r in results)
    assert 0 < np.abs(half - full).max() <= tolerance * np.abs(full).max()
    assert results[1].settings["precision"] == precision


@pytest.fixture
def damaged(twelve: Path, tmp_path: Path) -> Path:
    """The images with one cut short, one replaced by text, and one missing."""
    folder = tmp_path / "images"
    folder.mkdir()
    for path in (twelve / "images").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "04.png").write_bytes((folder / "04.png").read_bytes()[:500])
    (folder / "05.png").write_text("moved to another server")
    (folder / "07.png").unlink()
    return folder


def test_bad_images_are_named_and_count_as_wrong(damaged: Path, twelve: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = evaluate(load(twelve), damaged, twelve / "val.txt", on_error="skip", batch_size=4, out=out)
    assert [p.error for p in result.failed] == [
        "04.png: a PNG picture that is damaged or cut short",
        "05.png: no image (text)",
        "07.png: no such image",
    ]
    assert (result.top1.wrong, result.top1.total) == (13, IMAGES)
    assert [item["image"] for item in json.loads((out / "result.json").read_text())["unreadable"]] == [
        "04.png",
        "05.png",
        "07.png",
    ]
    for name in ("04.png", "05.png", "07.png"):
        (damaged / name).write_bytes((twelve / "images" / name).read_bytes())
    again = evaluate(load(twelve), damaged, twelve / "val.txt", on_error="skip", batch_size=4, out=out, resume=True)
    assert (again.measured, again.failed, again.top1.wrong) == (3, (), 10)


def test_a_bad_image_stops_the_run_and_keeps_what_is_done(damaged: Path, twelve: Path, tmp_path: Path) -> None:
    graph, labels, out = load(twelve), twelve / "val.txt", tmp_path / "out"
    with pytest.raises(
        CaffeError, match=r"1 of 30 labelled images are missing, the first is 07.png; want .*--on-error"
    ):
        evaluate(graph, damaged, labels)
    with pytest.raises(FileError, match=r"^04.png: a PNG picture that is damaged or cut short; want .*--on-error skip"):
        evaluate(graph, damaged, labels, subset=True, batch_size=2, out=out)
    assert [p.image for p in read_predictions(out / "predictions.csv.part0")] == [f"{i:02}.png" for i in range(4)]
    (damaged / "04.png").write_bytes((twelve / "images" / "04.png").read_bytes())
    (damaged / "05.png").write_bytes((twelve / "images" / "05.png").read_bytes())
    result = evaluate(graph, damaged, labels, subset=True, batch_size=2, out=out, resume=True)
    assert (result.measured, result.top1.total, result.top1.wrong) == (25, 29, 10)
    assert "1 labelled images are not there, and do not count" in result.notes


def test_scores_that_are_not_finite_are_an_error_of_the_image(twelve: Path, tmp_path: Path) -> None:
    blown = {name: [w * np.float32(1e30) for w in blobs] for name, blobs in random_weights(load(twelve)).items()}
    write_net(tmp_path, NET, blown)
    with pytest.raises(FileError, match=r"^00.png: the net's scores are not finite; want scores of every image"):
        evaluate(load(tmp_path), twelve / "images", twelve / "val.txt")
    result = evaluate(load(tmp_path), twelve / "images", twelve / "val.txt", on_error="skip")
    assert (result.top1.wrong, result.top5.wrong, len(result.failed)) == (IMAGES, IMAGES, IMAGES)


THOUSAND = NET.replace("num_output: 12", "num_output: 1000").replace("twelve", "{}")
ORDERED = {
    "as the net": ("plain", {}, None, ()),
    "asked for": ("plain", {"label_order": "devkit", "class_order": "synset"}, ("devkit", "synset"), ()),
    "labels asked for": (
        "plain",
        {"label_order": "synset"},
        None,
        ("the net's class order is not known; taken as synset (--class-order)",),
    ),
    "a release by name": ("SE-ResNet-50", {"label_order": "synset"}, ("synset", "devkit"), ()),
}


@pytest.mark.parametrize(("name", "settings", "orders", "notes"), ORDERED.values(), ids=ORDERED)
def test_labels_are_brought_to_the_net_s_order(  # type: ignore[no-untyped-def]
    name: str, settings, orders: tuple[str, str] | None, notes: tuple[str, ...], twelve: Path, tmp_path: Path
) -> None:
    write_net(tmp_path, THOUSAND.replace("{}", name))
    (tmp_path / "val.txt").write_text("".join(f"{i:02}.png {33 * i}\n" for i in range(IMAGES)))
    result = evaluate(load(tmp_path), twelve / "images", tmp_path / "val.txt", **settings)
    wanted = [33 * i for i in range(IMAGES)]
    if orders:
        wanted = permutation(*orders)[wanted].tolist()
    assert [p.label for p in result.predictions] == wanted
    assert set(notes) <= set(result.notes)


def test_a_run_goes_on_only_with_the_same_settings(twelve: Path, tmp_path: Path) -> None:
    def run(**settings) -> Evaluation:  # type: ignore[no-untyped-def]
        return evaluate(load(twelve), twelve / "images", twelve / "val.txt", out=tmp_path / "out", **settings)

    run(limit=5)
    with pytest.raises(FileError, match="out: has a run in it already; want --resume to go on with it"):
        run(limit=5)
    with pytest.raises(FileError, match=r"run.json: the run was begun with images 5, and now it is 30; want another"):
        run(resume=True)
    assert run(limit=5, resume=True, batch_size=3).measured == 0


def test_the_backend_is_chosen_once_and_belongs_to_the_settings(twelve: Path, tmp_path: Path) -> None:
    def run(**engine) -> Evaluation:  # type: ignore[no-untyped-def]
        folder = {"out": tmp_path / "out", "resume": (tmp_path / "out").exists(), "limit": 5}
        return evaluate(load(twelve), twelve / "images", twelve / "val.txt", engine=Engine(**engine), **folder)

    assert run(backend="torch").settings["backend"] == "torch"
    with pytest.raises(FileError, match="begun with precision fp32, and now it is bf16"):
        run(precision="bf16")
    needs_module("onnxruntime", "onnxruntime")
    with pytest.raises(FileError, match="begun with backend torch, and now it is onnxruntime"):
        run()


def test_results_have_timm_s_columns(twelve: Path, tmp_path: Path) -> None:
    evaluate(load(twelve), twelve / "images", twelve / "val.txt", out=tmp_path)
    with open(tmp_path / "results.csv") as file:
        rows = list(csv.DictReader(file))
    assert TIMM == (
        "model",
        "top1",
        "top1_err",
        "top5",
        "top5_err",
        "param_count",
        "img_size",
        "crop_pct",
        "interpolation",
    )
    assert [list(row) for row in rows] == [list(TIMM)]
    assert rows[0] | {"top5": "", "top5_err": ""} == {
        "model": "twelve",
        "top1": "66.667",
        "top1_err": "33.333",
        "top5": "",
        "top5_err": "",
        "param_count": "0.02",
        "img_size": "32",
        "crop_pct": "0.865",  # 32 of 37
        "interpolation": "opencv-linear",
    }
    assert float(rows[0]["top5"]) + float(rows[0]["top5_err"]) == pytest.approx(100)


TRAIN_VAL = (
    HEAD.replace(
        'type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 32 dim: 32 } }',
        'type: "ImageData" top: "data" top: "label" image_data_param { batch_size: 4 new_height: 37 new_width: 37 } '
        "transform_param { crop_size: 32 mean_value: 104 mean_value: 117 mean_value: 123 mirror: true }",
    )
    + """
layer { name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "label" top: "accuracy" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""
)


def test_a_training_net_is_evaluated_as_it_was_tested(twelve: Path, tmp_path: Path) -> None:
    from caffe2py.evaluate.pictures.net_input import Choices

    (tmp_path / "net.prototxt").write_text(TRAIN_VAL)
    graph = caffe2py.load(tmp_path / "net.prototxt", twelve / "net.caffemodel")
    for backend in ("torch", "onnxruntime"):
        tested = evaluate(graph, twelve / "images", twelve / "val.txt", engine=Engine(backend=backend))
        plain = evaluate(load(twelve), twelve / "images", twelve / "val.txt", choices=Choices(resize="warp"))
        assert tested.settings["preprocessing"]["size"] == [37, 37]
        assert [p.classes for p in tested.predictions] == [p.classes for p in plain.predictions]


SCORES = {
    "before softmax": (NET, None, "fc"),
    "no softmax": (HEAD, None, "fc"),
    "training net": (TRAIN_VAL, None, "fc"),
    "asked for": (NET + 'layer { name: "gate" type: "Sigmoid" bottom: "conv" top: "gate" }', "prob", "fc"),
}


@pytest.mark.parametrize(("text", "asked", "blob"), SCORES.values(), ids=SCORES)
def test_scores_are_what_the_softmax_reads(text: str, asked: str | None, blob: str) -> None:
    cut = scores_only(graph_of(text), asked)
    assert (cut.outputs, list(cut.inputs)) == ((blob,), ["data"])


def test_several_outputs_need_a_choice() -> None:
    graph = graph_of(NET + 'layer { name: "gate" type: "Sigmoid" bottom: "conv" top: "gate" }')
    with pytest.raises(CaffeError, match=r'has 2 outputs; say which are the scores with --scores: "gate" \(1, 16'):
        scores_only(graph)
    with pytest.raises(CaffeError, match='has no blob "x"; its outputs are gate, prob'):
        scores_only(graph, "x")


@pytest.mark.parametrize("count", [1, 2, 3, 7, 40])
def test_processes_share_the_images_out(count: int) -> None:
    """Every image once, and nobody has two more than another."""
    shares = [Shard(number, count).share(range(30)) for number in range(count)]
    assert sorted(image for share in shares for image in share) == list(range(30))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert Shard().gather([1, 2]) == [1, 2]


REFUSED = {
    "backend": (lambda: Engine(backend="tensorrt"), 'no backend "tensorrt"; want one of auto, torch, onnxruntime'),
    "precision": (lambda: Engine(precision="int8"), 'no precision "int8"; want one of fp32, bf16, fp16'),
    "onnx in half": (lambda: Engine(backend="onnxruntime", precision="bf16"), "the backend onnxruntime runs in fp32"),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_engines_that_cannot_be_are_refused(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(CaffeError, match=message):
        make()


BAD_CALLS = {
    "device": ({"engine": Engine(device="toaster")}, 'no device "toaster"'),
    "on_error": ({"on_error": "ignore"}, 'on_error is "ignore"; want fail or skip'),
    "batch": ({"batch_size": 0}, "must be 1 or more"),
    "resume": ({"resume": True}, "resume goes on with a run in a folder"),
    "scores": ({"scores": "conv"}, r'blob "conv.*" is \(1, 16, 10, 10\); want scores'),
}


@pytest.mark.parametrize(("settings", "message"), BAD_CALLS.values(), ids=BAD_CALLS)
def test_calls_that_cannot_be_are_refused(settings, message: str, twelve: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(CaffeError, match=message):
        evaluate(load(twelve), twelve / "images", twelve / "val.txt", **settings)


def test_the_command_prints_and_tells_errors_in_a_line(twelve: Path) -> None:
    net = [twelve / "net.prototxt", twelve / "net.caffemodel"]
    data = ["--images", twelve / "images", "--labels", twelve / "val.txt"]
    done = command("evaluate", *net, *data, "--mean", "104,117,123", "--resize", "pil-bilinear")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("twelve: 30 images, 0.02 million parameters\n  top-1 error    ")
    assert "pil-bilinear 37, crop 32 x 32, bgr, mean 104, 117, 123 (as asked), scale 1" in done.out
    as_json = json.loads(command("evaluate", *net, *data, "--json").out)
    assert (as_json["images"], round(as_json["top1_error"], 3)) == (30, 33.333)
    wrong = command("evaluate", *net, "--images", twelve / "nowhere")
    assert (wrong.status, wrong.err.count("\n")) == (1, 1)
    assert "nowhere: no such file or folder" in wrong.err
