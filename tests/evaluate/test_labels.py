"""Class orders and label files: the numbers that decide what counts as right."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from caffe2py.errors import CaffeError, FileError
from caffe2py.evaluate.labels.classes import ORDERS, classes, numbers, permutation, validation_sample
from caffe2py.evaluate.labels.labels import Labels, class_numbers, folder_label, read_labels, read_order
from tests.helpers.reference import reference

COUNT = 1000


def validation() -> list[dict[str, str]]:
    return list(csv.DictReader(reference("labels/val_50000.csv").read_text().splitlines()))


def test_all_50000_labels_come_out_of_the_permutation() -> None:
    rows = validation()
    assert len(rows) == 50000
    to_synset, to_devkit = permutation("devkit", "synset"), permutation("synset", "devkit")
    devkit = [int(row["senet_label"]) for row in rows]
    synset = [int(row["synset_sorted_label"]) for row in rows]
    assert to_synset[devkit].tolist() == synset
    assert to_devkit[synset].tolist() == devkit
    assert [classes("devkit")[k].wnid for k in devkit] == [row["wnid"] for row in rows]


def test_the_validation_sample_is_the_validation_set_s() -> None:
    known = {Path(row["image"]).stem: row["wnid"] for row in validation()}
    assert len(validation_sample()) > 100
    assert {image: known[image] for image in validation_sample()} == dict(validation_sample())


def test_no_class_has_the_same_number_in_both_orders() -> None:
    assert all(c.devkit != c.synset for c in classes("devkit"))
    assert [c.devkit for c in classes("devkit")] == [c.synset for c in classes("synset")] == list(range(COUNT))
    wnids = [c.wnid for c in classes("synset")]
    assert wnids == sorted(wnids) and len(set(wnids)) == COUNT
    assert (classes("devkit")[0].name, classes("synset")[0].name.split(",")[0]) == ("kit fox, Vulpes macrotis", "tench")


LISTS = {
    "spaces": ("a.JPEG 3\nb c.JPEG   7\n", {"a.JPEG": 3, "b c.JPEG": 7}),
    "tabs": ("a.JPEG\t3\r\nsub/b.png\t7\r\n", {"a.JPEG": 3, "sub/b.png": 7}),
    "commas": ("a.JPEG,3\n\nb.JPEG, 7\n", {"a.JPEG": 3, "b.JPEG": 7}),
    "wnids": ("a.JPEG n02119789\nb.JPEG n01440764", {"a.JPEG": "n02119789", "b.JPEG": "n01440764"}),
    "byte order mark": ("\ufeffa.JPEG 3", {"a.JPEG": 3}),
    "table": ("image,label,wnid\na.JPEG,4,n02119789\n", {"a.JPEG": "n02119789"}),
    "kaggle": (
        "ImageId,PredictionString\nval_1,n03995372 85 1 499 272 \nval_2,n02119789 1 2 3 4 n02119789 5 6 7 8 \n",
        {"val_1": "n03995372", "val_2": "n02119789"},
    ),
}


@pytest.mark.parametrize(("text", "labels"), LISTS.values(), ids=LISTS)
def test_label_files_of_every_form(text: str, labels: dict[str, int | str], tmp_path: Path) -> None:
    (tmp_path / "labels").write_bytes(text.encode())
    assert read_labels(tmp_path / "labels") == Labels(labels, str(tmp_path / "labels"))


def test_a_ground_truth_is_the_development_kit_s(tmp_path: Path) -> None:
    (tmp_path / "truth.txt").write_text("490\n361\n171\n")
    made = read_labels(tmp_path / "truth.txt")
    assert made.by_file == {f"ILSVRC2012_val_{i:08d}": label for i, label in enumerate((490, 361, 171), 1)}
    assert (made.positional, made.order, made.first) == (True, "devkit", 1)
    reading = read_order(made, "auto", "devkit", COUNT)
    assert list(class_numbers(made.by_file, reading, "devkit", COUNT, "").values()) == [489, 360, 170]
    assert list(class_numbers(made.by_file, reading, "synset", COUNT, "").values()) == [65, 970, 230]


BAD = {
    "empty": ("\n \n", "labels: no labels in it"),
    "raised digits": ("\u00b2\n\u00b3\n", 'labels:1: "\u00b2" is no label'),
    "a number beyond all": (f"a.JPEG {'9' * 5000}\n", 'labels:1: "a.JPEG 999'),
    "a long line": (f"a{' ' * 200_000}b\n", 'labels:1: "a '),
    "no label": ("a.JPEG 3\nb.JPEG\n", 'labels:2: "b.JPEG" is no label; want FILE NUMBER or FILE WNID'),
    "twice": ("a.JPEG 3\nb.JPEG 4\na.JPEG 5\n", 'labels:3: "a.JPEG" has label 5 here and 3 before; want one'),
    "bad cell": ("image,label\na,3\nb,x\n", 'labels:3: "x" is no label; want a number or a wnid in column "label"'),
    "empty cell": ("image,label\na,\n", 'labels:2: "" is no label'),
    "quote without an end": (
        'image,"label\na 1\nb 2\n',
        'labels:2: "" is no label; want a number or a wnid in column "label"',
    ),
    "header of one cell": ('"a,b"\na\n', 'labels:2: "" is no label; want a number or a wnid in the second column'),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_bad_label_file_is_told_by_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "labels").write_text(text)
    with pytest.raises(FileError) as error:
        read_labels(tmp_path / "labels")
    assert message in str(error.value)


def test_a_missing_label_file_is_an_error() -> None:
    with pytest.raises(FileError, match=r"^nowhere/val.txt: no such file or directory$"):
        read_labels("nowhere/val.txt")


def numbered(order: str, first: int) -> Labels:
    by_file = {f"{name}.JPEG": numbers(order)[wnid] + first for name, wnid in validation_sample().items()}
    return Labels(by_file, "val.txt")


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("net_order", ORDERS)
@pytest.mark.parametrize("order", ORDERS)
def test_auto_reads_the_order_off_known_validation_images(order: str, net_order: str, first: int) -> None:
    labels = numbered(order, first)
    reading = read_order(labels, "auto", net_order, COUNT)
    assert (reading.order, reading.first) == (order, first)
    made = class_numbers(labels.by_file, reading, net_order, COUNT, "")
    wanted = {f"{name}.JPEG": numbers(net_order)[wnid] for name, wnid in validation_sample().items()}
    assert made == wanted


def test_auto_takes_other_images_to_count_as_the_net_does() -> None:
    labels = Labels({"a.png": 3, "b.png": 999}, "l")
    assert read_order(labels, "auto", "devkit", COUNT).order == "devkit"
    assert read_order(labels, "auto", None, COUNT).order is None
    assert read_order(labels, "synset", "devkit", COUNT).order == "synset"
    one_based = Labels({"a.png": 1, "b.png": 10}, "l")
    assert [read_order(one_based, "auto", None, n).first for n in (10, 11)] == [1, 0]


def test_labels_that_fit_no_order_are_refused() -> None:
    labels = numbered("synset", 0)
    wrong = Labels(dict.fromkeys(labels.by_file, 5), "val.txt")
    with pytest.raises(
        CaffeError, match=r"^val.txt: the labels of \d+ validation images .* fit neither the order devkit nor"
    ):
        read_order(wrong, "auto", "devkit", COUNT)


def test_an_order_asked_for_is_taken() -> None:
    labels = {"a.png": 0, "b.png": 999}
    reading = read_order(Labels(labels, ""), "synset", "devkit", COUNT)
    made = class_numbers(labels, reading, "devkit", COUNT, "")
    assert made == {f: int(permutation("synset", "devkit")[n]) for f, n in labels.items()}


def test_wnids_become_the_net_s_numbers() -> None:
    labels: dict[str, int | str] = {"a": "n02119789", "b": "n01440764"}
    reading = read_order(Labels(labels, ""), "auto", "devkit", COUNT)
    for order in ORDERS:
        made = class_numbers(labels, reading, order, COUNT, "")
        assert made == {"a": numbers(order)["n02119789"], "b": numbers(order)["n01440764"]}
    assert class_numbers(labels, reading, None, COUNT, "")["b"] == 0  # synset where the net's order is not known


NO_CLASS = {
    "too high": ({"a": 0, "b": 10}, 10, 'val.txt: "b" has label 10; want 0 to 9, for the net has 10 classes'),
    "below": ({"a": -1, "b": 4}, 10, '"a" has label -1; want 0 to 9'),
    "no such wnid": ({"a": "n99999999"}, COUNT, "n99999999 is none of the 1000 wnids of ILSVRC2012"),
    "wnid for another net": ({"a": "n02119789"}, 10, "the net has 10 classes, not 1000"),
}


@pytest.mark.parametrize(("labels", "count", "message"), NO_CLASS.values(), ids=NO_CLASS)
def test_a_label_of_no_class_is_refused(labels: dict[str, int | str], count: int, message: str) -> None:
    with pytest.raises(CaffeError) as error:
        reading = read_order(Labels(labels, ""), "auto", None, count)
        class_numbers(labels, reading, None, count, "val.txt")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("file", "wnid"),
    [
        ("n02119789/x.JPEG", "n02119789"),
        ("val/n02119789/a/x.JPEG", "n02119789"),
        ("n02119789_1.JPEG", None),
        ("cats/x.JPEG", None),
    ],
)
def test_folders_are_named_by_wnid(file: str, wnid: str | None) -> None:
    assert folder_label(file) == wnid
