"""Error rates, their intervals, what ties do, and what is suspected near chance."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from caffe2py.errors import FileError
from caffe2py.evaluate.labels.classes import permutation
from caffe2py.evaluate.results.error_rates import Z95, ErrorRate, error_rate, suspicion
from caffe2py.evaluate.results.predictions import KEPT, Folder, Prediction, failed, predict, read_predictions

COUNT = 1000


@pytest.mark.parametrize(("wrong", "total"), [(1, 2), (8, 24), (1, 24), (23, 24), (11185, 50000), (3180, 50000)])
def test_the_interval_is_wilson_s(wrong: int, total: int) -> None:
    """Its bounds are the rates p from which the measured one is Z95 standard deviations away."""
    rate = wrong / total
    for bound in ErrorRate(wrong, total).interval:
        p = bound / 100
        assert abs(rate - p) == pytest.approx(Z95 * math.sqrt(p * (1 - p) / total), rel=1e-9)


@pytest.mark.parametrize("total", [1, 10, 50000])
def test_the_interval_holds_at_the_ends(total: int) -> None:
    reach = 100 * Z95**2 / (total + Z95**2)
    assert ErrorRate(0, total).interval == pytest.approx((0, reach))
    assert ErrorRate(total, total).interval == pytest.approx((100 - reach, 100))


@pytest.mark.parametrize(
    ("scores", "label", "rank"),
    [
        ([1, 5, 3], 1, 1),
        ([1, 5, 3], 2, 2),
        ([1, 5, 3], 0, 3),
        ([4, 4, 3], 0, 2),  # Caffe's Accuracy counts classes with the same score as better
        ([0, 0, 0], 0, 3),
    ],
)
def test_the_rank_counts_ties_against_the_net(scores: list[float], label: int, rank: int) -> None:
    assert predict("a", label, np.array(scores, np.float32)).rank == rank


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_an_error(bad: float) -> None:
    made = predict("a", 0, np.array([1, bad, 0], np.float32))
    assert (made.rank, made.error) == (0, "a: the net's scores are not finite")


def test_unreadable_images_count_as_wrong() -> None:
    made = [predict("a", 1, np.array([1, 5, 3], np.float32)), failed("b", 1, "cut short")]
    assert [error_rate(made, k) for k in (1, 5)] == [ErrorRate(1, 2), ErrorRate(1, 2)]


def test_predictions_come_back_from_the_file_as_they_were(tmp_path: Path) -> None:
    random = np.random.RandomState(0)
    made = [predict(f"a, {i}\n.png", i % 7, random.randn(7).astype(np.float32)) for i in range(20)]
    made += [predict("few", 0, np.array([0.1, 2e-30], np.float32)), failed('q"', 3, 'no image ("text")')]
    folder = Folder(tmp_path)
    folder.part(0).append(made[:3])
    folder.part(0).append(made[3:])
    assert read_predictions(tmp_path / "predictions.csv.part0") == made
    folder.finish(made)
    assert read_predictions(tmp_path / "predictions.csv") == made
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.csv"]


def test_a_torn_line_is_dropped_and_written_over(tmp_path: Path) -> None:
    one, two = (Prediction(name, 1, 1, (1, 0), (2.0, 1.0)) for name in ("one", "two"))
    part = Folder(tmp_path).part(3)
    part.append([one])
    whole = part.path.read_bytes()
    part.append([two])
    part.path.write_bytes(part.path.read_bytes()[:-4])
    assert Folder(tmp_path).done() == {"one": one}
    part.append([two])
    assert read_predictions(part.path) == [one, two]
    part.path.write_bytes(whole[:5])  # the header itself is torn
    assert Folder(tmp_path).done() == {}
    part.append([two])
    assert read_predictions(part.path) == [two]


def test_images_that_failed_are_tried_again(tmp_path: Path) -> None:
    Folder(tmp_path).part(0).append([failed("a", 1, "cut short")])
    assert Folder(tmp_path).done() == {}


@pytest.mark.parametrize("content", ["image,label\na,1\n", "image,label,rank,class1\na,x,1,2\n"])
def test_another_file_is_no_predictions(content: str, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(content)
    with pytest.raises(FileError, match=r"p.csv: is no file of predictions"):
        read_predictions(tmp_path / "p.csv")


def seen(labels: np.ndarray, right: float, count: int = COUNT, seed: int = 0) -> list[Prediction]:
    """Predictions of a net that puts the class of `labels` first with the chance `right`, and guesses otherwise."""
    random = np.random.RandomState(seed)
    made = []
    for i, label in enumerate(labels):
        scores = random.rand(count).astype(np.float32)
        if random.rand() < right:
            scores[label] = 2
        made.append(predict(str(i), int(label), scores))
    return made


def read_as(predictions: list[Prediction], labels: np.ndarray) -> list[Prediction]:
    """The same predictions held against other labels."""
    return [
        Prediction(p.image, int(n), p.classes.index(n) + 1 if n in p.classes else KEPT + 1, p.classes, p.scores)
        for p, n in zip(predictions, labels, strict=True)
    ]


LABELS = np.random.RandomState(5).randint(1, COUNT - 1, 400)
GUESSES = {
    "labels in synset order": (
        permutation("devkit", "synset")[LABELS],
        "labels are in synset order and the net in devkit",
    ),
    "labels in devkit order": (
        permutation("synset", "devkit")[LABELS],
        "labels are in devkit order and the net in synset",
    ),
    "labels from 1": (LABELS + 1, "labels that count from 1"),
    "labels from 0": (LABELS - 1, "labels that count from 0, read as if from 1"),
    "other labels": (np.random.RandomState(6).randint(0, COUNT, 400), "near chance: labels in another class order"),
}


@pytest.mark.parametrize(("labels", "said"), GUESSES.values(), ids=GUESSES)
def test_near_chance_the_likely_cause_is_named(labels: np.ndarray, said: str) -> None:
    predictions = seen(LABELS, 0.7)
    error = error_rate(predictions, 1).percent
    found = suspicion(read_as(predictions, labels), COUNT)
    assert found is not None and said in found
    assert said.startswith("near") or f"the top-1 error is {error:.2f} %" in found


def test_one_class_for_all_is_named() -> None:
    scores = np.zeros(COUNT, np.float32)
    scores[17] = 1
    found = suspicion([predict(str(i), int(n), scores) for i, n in enumerate(LABELS) if n != 17], COUNT)
    assert found == "the net says class 17 for every image: weights, mean or scale are not those it was made with"


@pytest.mark.parametrize(
    ("count", "images", "right"), [(COUNT, 400, 0.1), (12, 24, 0.3), (12, 400, 0.2), (COUNT, 10, 0)]
)
def test_results_above_chance_or_of_few_images_are_not_suspected(count: int, images: int, right: float) -> None:
    labels = np.random.RandomState(1).randint(0, count, images)
    assert suspicion(seen(labels, right, count), count) is None
