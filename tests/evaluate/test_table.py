"""`table` and `classify`: which weights are found and how, what is printed, and the names of classes."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest

import caffe2py
from caffe2py.errors import CaffeError
from caffe2py.evaluate import classify, table
from caffe2py.evaluate.labels.classes import classes
from caffe2py.evaluate.published import find_weights
from caffe2py.evaluate.releases.registry import read_registry, releases
from tests.helpers.absent import needs_module
from tests.helpers.nets import command, write_net

cv2 = needs_module("cv2", "OpenCV")

NET = """name: "{name}"
layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 1 dim: 3 dim: 16 dim: 16 }} }} }}
layer {{ name: "fc{name}" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param {{ num_output: {count} }} }}
layer {{ name: "prob" type: "Softmax" bottom: "fc" top: "prob" }}
"""
REGISTRY = """
[[release]]
name = "{name}"
net = "{name}"
prototxt = "{name}/net.prototxt"
source = "https://example.org/{name}"
published = [25.0, 5.5]
others = {{ "Somebody" = [30, 7.25] }}
[[release.file]]
kind = "caffemodel"
name = "{name}.caffemodel"
size = {size}
sha256 = "{hash}"
"""


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Releases: "one" is there as released, "two" under its net's name, "three" under another, "four" is not."""
    folder = tmp_path_factory.mktemp("zoo")
    (folder / "weights").mkdir()
    (folder / "images").mkdir()
    entries = []
    for i, name in enumerate(("one", "two", "three", "four")):
        (folder / name).mkdir()
        random = np.random.RandomState(i)
        blobs = [random.randn(7, 768).astype(np.float32), np.zeros(7, np.float32)]
        _, weights = write_net(folder / name, NET.format(name=name, count=7), {f"fc{name}": blobs})
        data = weights.read_bytes()
        if name != "four":
            saved = data.replace(b"\x0a\x05three", b"\x0a\x05other") if name == "three" else data
            (folder / "weights" / f"{i}.caffemodel").write_bytes(saved)
        value = hashlib.sha256(data).hexdigest() if name in ("one", "four") else "0" * 64
        entries.append(REGISTRY.format(name=name, size=len(data), hash=value))
    (folder / "weights" / "damaged.caffemodel").write_bytes(b"\x0a\xff\xff")
    (folder / "zoo.toml").write_text("\n".join(entries))
    random = np.random.RandomState(9)
    for i in range(8):
        cv2.imwrite(str(folder / "images" / f"{i}.png"), random.randint(0, 256, (20, 30, 3), np.uint8))
    net = caffe2py.load(folder / "one" / "net.prototxt", folder / "one" / "net.caffemodel")
    said, _ = classify(net, [folder / "images"])
    labels = "".join(
        f"{image.image} {image.guesses[0].number if i else 6 - image.guesses[0].number}\n"
        for i, image in enumerate(said)
    )
    (folder / "val.txt").write_text(labels)
    return folder


def words(zoo: Path) -> list[str]:
    names = [word for name in ("one", "two", "three", "four") for word in ("--model", name)]
    given = ["--weights", zoo / "weights", "--images", zoo / "images", "--labels", zoo / "val.txt", *names]
    return list(map(str, ["table", *given, "--registry", zoo / "zoo.toml"]))


def test_weights_are_found_by_hash_then_by_name_then_by_layers(zoo: Path) -> None:
    found = find_weights(zoo / "weights", read_registry(zoo / "zoo.toml"))
    assert {name: row.file and Path(row.file).name for name, row in found.items()} == {
        "one": "0.caffemodel",
        "two": "1.caffemodel",
        "three": "2.caffemodel",
        "four": None,
    }
    assert {name: row.notes for name, row in found.items() if name != "four"} == {
        "one": (),
        "two": ("1.caffemodel: taken for two by the net's name; other size or hash than the original",),
        "three": ("2.caffemodel: taken for three by the net's layers; other size or hash than the original",),
    }
    size = (zoo / "four" / "net.caffemodel").stat().st_size
    assert found["four"].notes == (f"missing: four.caffemodel ({size:,} bytes), from https://example.org/four",)


def test_weights_of_a_deeper_net_are_not_taken_for_a_part_of_it(tmp_path: Path) -> None:
    """SE-ResNet-101 has every layer of SE-ResNet-50, in the same shapes, and more."""
    deep = (
        NET.format(name="small", count=7)
        .replace("fcsmall", "fc")
        .replace(
            'layer { name: "prob"',
            'layer { name: "more" type: "InnerProduct" bottom: "fc" top: "fc2" '
            'inner_product_param { num_output: 7 } }\nlayer { name: "prob"',
        )
    )
    (tmp_path / "small").mkdir()
    (tmp_path / "deep").mkdir()
    write_net(tmp_path / "small", NET.format(name="small", count=7).replace("fcsmall", "fc"))
    write_net(tmp_path / "deep", deep)
    (tmp_path / "r.toml").write_text(REGISTRY.format(name="small", size=1, hash="0" * 64))
    found = find_weights(tmp_path / "deep", read_registry(tmp_path / "r.toml"))
    assert found["small"].file is None


def test_a_file_of_the_right_name_that_does_not_fit_is_told(tmp_path: Path) -> None:
    for name, count in (("small", 7), ("weights", 8)):
        (tmp_path / name).mkdir()
        write_net(tmp_path / name, NET.format(name="small", count=count))
    (tmp_path / "r.toml").write_text(REGISTRY.format(name="small", size=1, hash="0" * 64))
    found = find_weights(tmp_path / "weights", read_registry(tmp_path / "r.toml"))
    assert found["small"].file is None
    assert found["small"].notes[0].startswith("net.caffemodel does not fit: ")
    assert "(8, 768)" in found["small"].notes[0] and "(7, 768)" in found["small"].notes[0]


def test_the_table_as_text(zoo: Path) -> None:
    done = command(*words(zoo))
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].split("  ")[0] == "model" and lines[0].endswith("others measured")
    assert lines[1].split() == "one 25.00 / 5.50 12.50 / 0.00 -12.50 / -5.50 8 Somebody 30.00 / 7.25".split()
    assert [line.split()[0] for line in lines[2:5]] == ["two", "three", "four"]
    assert lines[4].split() == "four 25.00 / 5.50 missing Somebody 30.00 / 7.25".split()
    assert "two: 1.caffemodel: taken for two by the net's name; other size or hash than the original" in lines
    assert any(line.startswith("four: missing: four.caffemodel (") for line in lines)


def test_the_table_as_markdown(zoo: Path) -> None:
    lines = command(*words(zoo), "--format", "markdown").out.splitlines()
    assert lines[0] == "| model | published | measured | difference | images | others measured |"
    assert lines[2] == "| one | 25.00 / 5.50 | 12.50 / 0.00 | -12.50 / -5.50 | 8 | Somebody 30.00 / 7.25 |"


def test_the_table_as_csv_and_json(zoo: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(command(*words(zoo), "--format", "csv").out)))
    one, four = rows[0], rows[3]
    assert (one["published top1"], one["measured top1"], one["difference top5"]) == ("25.000", "12.500", "-5.500")
    assert (one["Somebody top5"], one["images"]) == ("7.250", "8")
    assert (four["measured top1"], four["images"]) == ("", "")
    as_json = json.loads(command(*words(zoo), "--json").out)
    assert [row["model"] for row in as_json] == ["one", "two", "three", "four"]
    assert as_json[0]["measured"] == [12.5, 0] and as_json[0]["result"]["images"] == 8
    assert as_json[3]["measured"] is None and as_json[3]["published"] == [25, 5.5]


def test_a_table_is_kept_and_resumed(zoo: Path, tmp_path: Path) -> None:
    first = command(*words(zoo), "-o", tmp_path / "out")
    assert first.status == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one", "results.csv", "three", "two"]
    rows = list(csv.DictReader((tmp_path / "out" / "results.csv").read_text().splitlines()))
    assert (rows[0]["model"], rows[0]["top1_err"]) == ("one", "12.500")
    (tmp_path / "out" / "two" / "predictions.csv").unlink()
    again = command(*words(zoo), "-o", tmp_path / "out", "--resume", "--json")
    assert [row["result"] and row["result"]["images_per_second"] == 0 for row in json.loads(again.out)] == [
        True,
        False,
        True,
        None,
    ]
    third = command(*words(zoo), "-o", tmp_path / "out")
    assert (third.status, third.err.count("\n")) == (1, 1) and "--resume" in third.err


def test_all_released_nets_are_in_the_table(zoo: Path, tmp_path: Path) -> None:
    made = table(tmp_path, zoo / "images", zoo / "val.txt", out=tmp_path / "out")
    assert [row.release.name for row in made.rows] == [r.name for r in releases() if r.prototxt]
    assert len(made.rows) == 7 and all(row.notes[0].startswith("missing: ") for row in made.rows)
    assert (tmp_path / "out" / "results.csv").read_text().count("\n") == 1  # the names of the columns


def test_an_unknown_model_is_refused(zoo: Path) -> None:
    with pytest.raises(CaffeError, match='no release "SENet-155" with a net at hand; want one of SE-BN-Inception, '):
        table(zoo / "weights", zoo / "images", models=["SENet-155"])


# classify


def test_classify_names_imagenet_s_classes(tmp_path: Path) -> None:
    prototxt, weights = write_net(tmp_path, NET.format(name="thousand", count=1000))
    cv2.imwrite(str(tmp_path / "a.png"), np.random.RandomState(0).randint(0, 256, (20, 30, 3), np.uint8))
    net = caffe2py.load(prototxt, weights)
    named = {order: classify(net, [tmp_path / "a.png"], class_order=order)[0][0] for order in ("devkit", "synset")}
    for order, found in named.items():
        assert [g.wnid for g in found.guesses] == [classes(order)[g.number].wnid for g in found.guesses]
        assert [g.name for g in found.guesses] == [classes(order)[g.number].name for g in found.guesses]
    shares = [g.probability for g in named["synset"].guesses]
    assert shares == sorted(shares, reverse=True)
    everything = classify(net, [tmp_path / "a.png"], top=1000)[0][0].guesses
    assert sum(g.probability for g in everything) == pytest.approx(1)
    _, notes = classify(net, [tmp_path / "a.png"])
    run, unknown = notes
    assert unknown == "the net's class order is not known; names are those of the synset order (--class-order)"
    assert run in ("run by onnxruntime", "run by torch")


def test_classify_prints_the_names_of_a_file(zoo: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("".join(f"kind {i}\n" for i in range(7)))
    (tmp_path / "bad.png").write_text("no picture")
    net = [zoo / "one" / "net.prototxt", zoo / "one" / "net.caffemodel"]
    image = zoo / "images" / "0.png"
    done = command("classify", *net, image, tmp_path / "bad.png", "--top", 2, "--names", tmp_path / "names.txt")
    lines = done.out.splitlines()
    assert (done.status, done.err, lines[0]) == (1, "", str(image))
    assert len(lines) == 4 and all("%" in line and "kind" in line for line in lines[1:3])
    assert lines[3] == f"{tmp_path / 'bad.png'}: no image (text)"
    as_json = json.loads(command("classify", *net, image, "--json").out)
    assert len(as_json["images"][0]["guesses"]) == 5
    (tmp_path / "names.txt").write_text("only one\n")
    short = command("classify", *net, image, "--names", tmp_path / "names.txt")
    assert (short.status, short.err) == (
        1,
        f"caffe2py: {tmp_path / 'names.txt'}: 1 names for a net of 7 classes; want one a line\n",
    )


def test_classify_of_a_folder_and_probabilities_of_the_net_itself(zoo: Path) -> None:
    net = caffe2py.load(zoo / "one" / "net.prototxt", zoo / "one" / "net.caffemodel")
    found, _ = classify(net, [zoo / "images"], batch_size=3, top=7)
    assert [image.image for image in found] == [f"{i}.png" for i in range(8)]
    pixels = cv2.resize(cv2.imread(str(zoo / "images" / "5.png")), (27, 18))[1:17, 5:21].astype(np.float32)
    blob = (pixels - [104, 117, 123]).transpose(2, 0, 1)[None]
    prob = caffe2py.run(net, {"data": blob})["prob"][0]
    for guess in found[5].guesses:
        assert guess.probability == pytest.approx(
            prob[guess.number], rel=1e-3, abs=1e-7
        )  # scores of hundreds, exponentiated
