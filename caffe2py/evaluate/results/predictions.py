"""What the net says of each image, in a CSV that grows as the run goes and from which a stopped run goes on.

predictions.csv            the whole, sorted as the images are; it appears when the run has ended
predictions.csv.part0 ...  what each process has done so far
run.json                   the settings; a run goes on only where they are the same
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from caffe2py.errors import FileError
from caffe2py.proto.disk.damage import damage_told, reason
from caffe2py.proto.disk.files import read_text, written_whole
from caffe2py.proto.disk.staging import make_folder

RESULT, ROWS = "result.json", "results.csv"  # what is made of the predictions
KEPT = 5  # the best classes that are kept of each image
COLUMNS = (
    "image",
    "label",
    "rank",
    *(f"class{i + 1}" for i in range(KEPT)),
    *(f"score{i + 1}" for i in range(KEPT)),
    "error",
)


@dataclass(frozen=True)
class Prediction:
    """One image's result. `rank` is the place of its own class: 1 is best, and other classes with the same score
    come before it, as Caffe's Accuracy counts; 0 where there is no score. `error` says why it could not be read."""

    image: str
    label: int
    rank: int
    classes: tuple[int, ...]
    scores: tuple[float, ...]
    error: str = ""

    def row(self) -> list[Any]:
        """The line of the CSV; scores as the shortest decimals that mean the same float32."""
        blank = [""] * (KEPT - len(self.classes))
        scores = [str(np.float32(score)) for score in self.scores]
        return [self.image, self.label, self.rank, *self.classes, *blank, *scores, *blank, self.error]


def predict(image: str, label: int, scores: np.ndarray) -> Prediction:
    """The prediction that one image's scores (classes,) make. A score that is no number makes it an error."""
    if not np.isfinite(scores).all():
        return Prediction(image, label, 0, (), (), f"{image}: the net's scores are not finite")
    best = np.argsort(-scores, kind="stable")[:KEPT]
    rank = int((scores >= scores[label]).sum())
    return Prediction(image, label, rank, tuple(best.tolist()), tuple(scores[best].tolist()))


def failed(image: str, label: int, error: str) -> Prediction:
    """The prediction of an image that could not be read."""
    return Prediction(image, label, 0, (), (), error)


@dataclass(frozen=True)
class Folder:
    """The folder of one run."""

    path: Path

    @property
    def whole(self) -> Path:
        return self.path / "predictions.csv"

    def begin(self, settings: Mapping[str, Any], resume: bool) -> None:
        """Make the folder, or go on in one whose settings are the same. Raises FileError."""
        file = self.path / "run.json"
        if not file.exists():
            for name in (self.whole.name, RESULT, ROWS):
                if (self.path / name).exists():
                    raise FileError(f"has a {name} of no run that is known; want another folder", str(self.path))
            make_folder(self.path, parents=True)
            with written_whole(file) as temporary:
                temporary.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
            return
        if not resume:
            raise FileError(
                "has a run in it already; want --resume to go on with it, or another folder", str(self.path)
            )
        with damage_told(file, "file of a run's settings"):
            before = dict(json.loads(read_text(file)))
        for key in {**before, **settings}:
            now, then = settings.get(key), before.get(key)
            if json.loads(json.dumps(now)) != then:
                raise FileError(
                    f"the run was begun with {key} {then}, and now it is {now}; want another folder", str(file)
                )

    def done(self) -> dict[str, Prediction]:
        """What earlier processes have finished, by image; those that failed are left out, to be tried again."""
        files = [self.whole] if self.whole.exists() else []
        files += sorted(self.path.glob("predictions.csv.part*"))
        return {p.image: p for file in files for p in read_predictions(file) if not p.error}

    def part(self, number: int) -> Part:
        """The growing file of one process."""
        make_folder(self.path, parents=True)  # on another machine it may not be there yet
        return Part(self.path / f"predictions.csv.part{number}")

    def finish(self, predictions: Iterable[Prediction]) -> None:
        """Write the whole, and drop the parts."""
        with written_whole(self.whole) as temporary:
            _write(temporary, "w", _lines([COLUMNS, *(p.row() for p in predictions)]))
        for file in self.path.glob("predictions.csv.part*"):
            file.unlink()


@dataclass(frozen=True)
class Part:
    """A file that predictions are appended to; each call leaves whole lines on the disk."""

    path: Path

    def append(self, predictions: Sequence[Prediction]) -> None:
        begun = self.path.exists() and _drop_torn_line(self.path) > 0
        head = [] if begun else [COLUMNS]
        _write(self.path, "a", _lines([*head, *(p.row() for p in predictions)]))


def read_predictions(path: Path) -> list[Prediction]:
    """The predictions of a file; a last line that a killed process left torn is passed over."""
    text = read_text(path, errors="surrogateescape")
    rows = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1], newline=""))
    try:
        return [_read(row) for row in rows]
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise FileError(f"is no file of predictions ({type(error).__name__}: {error})", str(path)) from None


def _read(row: Mapping[str, str]) -> Prediction:
    classes = tuple(int(row[f"class{i + 1}"]) for i in range(KEPT) if row[f"class{i + 1}"])
    scores = tuple(float(np.float32(row[f"score{i + 1}"])) for i in range(len(classes)))
    return Prediction(row["image"], int(row["label"]), int(row["rank"]), classes, scores, row["error"])


def _lines(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _write(path: Path, mode: str, text: str) -> None:
    try:
        with open(path, mode, encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(text)
    except OSError as error:
        raise FileError(f"cannot write: {reason(error)}", str(path)) from None


def _drop_torn_line(path: Path) -> int:
    """Cut off what stands behind the last whole line; returns the size that is left."""
    with open(path, "rb+") as file:
        whole = file.read().rfind(b"\n") + 1
        return file.truncate(whole)
