"""The error rates of a net on labelled images."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from caffe2py.errors import CaffeError, FileError
from caffe2py.evaluate.labels.labels import Labels, class_numbers, read_labels, read_order
from caffe2py.evaluate.network import Engine, Network, class_count, network, scores_only
from caffe2py.evaluate.pictures.images import Sample, find_images, pair
from caffe2py.evaluate.pictures.net_input import Choices, preprocessing
from caffe2py.evaluate.pictures.preprocessing import Preprocessing, import_opencv
from caffe2py.evaluate.pipeline import results
from caffe2py.evaluate.releases.identification import release_of
from caffe2py.evaluate.releases.registry import Release, digest, releases
from caffe2py.evaluate.results.error_rates import ErrorRate, error_rate, suspicion
from caffe2py.evaluate.results.predictions import RESULT, ROWS, Folder, Prediction, failed, predict
from caffe2py.evaluate.results.shards import Shard, shard
from caffe2py.graph import Graph
from caffe2py.proto.disk.files import written_whole
from caffe2py.proto.disk.staging import make_folder
from caffe2py.version import __version__

Path_ = str | os.PathLike[str]
Progress = Callable[[int, int], None]  # images done, of how many
TIMM = ("model", "top1", "top1_err", "top5", "top5_err", "param_count", "img_size", "crop_pct", "interpolation")
HEADER = ",".join(TIMM) + "\n"


@dataclass(frozen=True)
class Evaluation:
    """What a net made of labelled images. The errors count every labelled image, unreadable ones as wrong."""

    model: str
    top1: ErrorRate
    top5: ErrorRate
    settings: Mapping[str, Any]
    param_count: int  # learned parameters; BatchNorm's statistics are none
    measured: int  # images that went through the net in this run, the others having been done before
    seconds: float
    notes: tuple[str, ...]
    predictions: tuple[Prediction, ...] = field(repr=False, default=())

    @property
    def failed(self) -> tuple[Prediction, ...]:
        """The images that could not be read."""
        return tuple(p for p in self.predictions if p.error)

    def to_json(self) -> dict[str, Any]:
        """Everything but the single predictions, in plain values; errors and intervals in per cent."""
        return {
            "model": self.model,
            "images": self.top1.total,
            "top1_error": self.top1.percent,
            "top1_interval": list(self.top1.interval),
            "top5_error": self.top5.percent,
            "top5_interval": list(self.top5.interval),
            "unreadable": [{"image": p.image, "error": p.error} for p in self.failed],
            "param_count": self.param_count,
            "images_per_second": self.measured / self.seconds if self.seconds else None,
            "settings": dict(self.settings),
            "made_with": versions(),
            "notes": list(self.notes),
        }

    def row(self) -> dict[str, Any]:
        """The row of `results.csv`, with the columns of timm's result files."""
        how = self.settings["preprocessing"]
        return {
            "model": self.model,
            "top1": f"{100 - self.top1.percent:.3f}",
            "top1_err": f"{self.top1.percent:.3f}",
            "top5": f"{100 - self.top5.percent:.3f}",
            "top5_err": f"{self.top5.percent:.3f}",
            "param_count": f"{self.param_count / 1e6:.2f}",
            "img_size": how["crop"][0],
            "crop_pct": f"{how['crop'][0] / how['size'][0]:.3f}" if how["resize"] != "none" else "",
            "interpolation": how["resize"],
        }


def evaluate(
    graph: Graph,
    images: Path_,
    labels: Path_ | None = None,
    *,
    choices: Choices | None = None,
    engine: Engine | None = None,
    label_order: str = "auto",
    class_order: str = "auto",
    scores: str | None = None,
    batch_size: int = 32,
    workers: int | None = None,
    on_error: str = "fail",
    subset: bool = False,
    limit: int | None = None,
    out: Path_ | None = None,
    resume: bool = False,
    release: Release | None = None,
    registry: Sequence[Path_] = (),
    progress: Progress | None = None,
) -> Evaluation:
    """Top-1 and top-5 error of a net on labelled images, with 95 % intervals.

    images       a folder, a tar, or a list of files
    labels       a label file (see `labels`); None: the images' folders are named by wnid
    label_order  how the file counts classes: devkit, synset, or auto; class_order: how the net does
    scores       the blob whose values are the scores, where the net has several outputs
    on_error     fail: stop at an image that is missing or unreadable; skip: it counts as wrong, and is named
    subset       labelled images that are not there do not count
    release      which one the net is; None: looked up among the known ones and those of `registry`, by hash or name
    out          a folder for `predictions.csv`, which grows as results come, `result.json` and `results.csv`;
                 `resume` goes on with the run that was stopped there

    Under torchrun every process does its share, and all return the same. Raises CaffeError.
    """
    if on_error not in ("fail", "skip"):
        raise CaffeError(f'on_error is "{on_error}"; want fail or skip')
    if batch_size < 1 or (limit is not None and limit < 1):
        raise CaffeError("the batch size and the limit must be 1 or more")
    if resume and out is None:
        raise CaffeError("resume goes on with a run in a folder; want out, its folder")
    engine = engine or Engine()
    by_name = None
    if release is None:
        release, by_name = release_of(graph, releases(registry))
    graph = scores_only(graph, scores)
    how = preprocessing(graph, choices or Choices(), release)
    order = class_order if class_order != "auto" else release.class_order if release else None
    todo = _samples(graph, images, labels, label_order, order, subset, limit)
    missing = [s.image.name for s in todo.samples if s.image.path is None]
    if missing and on_error == "fail":
        raise CaffeError(
            f"{len(missing)} of {len(todo.samples)} labelled images are missing, the first is {missing[0]}; "
            "want all of them, or --on-error skip to count them as wrong, or --subset to leave them out",
            str(images),
        )
    with shard() as place:
        net = network(graph, how, _here(engine, place))
        settings = _settings(graph, how, engine, net.backend, order, todo)
        folder = Folder(Path(out)) if out is not None else None
        if folder and place.number == 0:
            folder.begin(settings, resume)
        place.gather([])  # the folder is there
        started = time.perf_counter()
        run = _Run(net, how, engine.device, batch_size, workers, on_error, folder, place, progress)
        predictions, measured = run(todo)
        result = Evaluation(
            model=release.name if release else graph.name,
            top1=error_rate(predictions, 1),
            top5=error_rate(predictions, 5),
            settings=settings,
            param_count=sum(w.count for _, _, w in graph.owned_weights() if w.learned),
            measured=measured,
            seconds=time.perf_counter() - started,
            notes=(*([by_name] if by_name else []), *todo.notes, *_suspicions(predictions, todo.classes)),
            predictions=tuple(predictions),
        )
        if folder and place.number == 0:
            folder.finish(predictions)
            _write_results(folder.path, result)
    return result


@dataclass(frozen=True)
class _Todo:
    """The images of an evaluation with their classes, as the net counts them."""

    samples: Sequence[Sample]
    numbers: Mapping[str, int]
    classes: int
    read_as: str
    notes: tuple[str, ...]


def _samples(
    graph: Graph,
    images: Path_,
    labels: Path_ | None,
    label_order: str,
    order: str | None,
    subset: bool,
    limit: int | None,
) -> _Todo:
    count = class_count(graph)
    found = find_images(images)
    listed = read_labels(labels) if labels is not None else found.labels
    samples, notes = pair(found, listed, subset)
    if limit is not None and limit < len(samples):
        notes.append(f"only the first {limit} of {len(samples)} labelled images")
        samples = samples[:limit]
    by_name = {s.image.name: s.label for s in samples}
    listed = listed or Labels(by_name, found.source)
    reading = read_order(listed, label_order, order, count)
    if order is None and (reading.order or any(isinstance(label, str) for label in by_name.values())):
        notes.append(f"the net's class order is not known; taken as {reading.order or 'synset'} (--class-order)")
    numbers = class_numbers(by_name, reading, order, count, listed.source)
    return _Todo(samples, numbers, count, str(reading), tuple(notes))


@dataclass(frozen=True)
class _Run:
    """One process's part of an evaluation."""

    net: Network
    how: Preprocessing
    device: str
    batch_size: int
    workers: int | None
    on_error: str
    folder: Folder | None
    place: Shard
    progress: Progress | None

    def __call__(self, todo: _Todo) -> tuple[list[Prediction], int]:
        """The predictions of all images in their order, and how many were made now."""
        done = {p.image: p for p in self.place.gather(list(self.folder.done().values()))} if self.folder else {}
        left = [s.image for s in todo.samples if s.image.name not in done]
        mine = self.place.share(left)
        batch = min(self.batch_size, len(todo.samples))
        made: list[Prediction] = []
        if left:
            part = self.folder.part(self.place.number) if self.folder else None
            self._tell(0, len(mine))
            for some in results(mine, self.how, self.net, batch, self.workers, self.device):
                new = [self._prediction(mine[r.index].name, r.scores, r.error, todo) for r in some]
                read = [p for p in new if not p.error]
                if part and (read if self.on_error == "fail" else new):
                    part.append(read if self.on_error == "fail" else new)
                for p in new:
                    if p.error and self.on_error == "fail":
                        raise FileError(
                            f"{p.error}; want scores of every image, or --on-error skip to count it as wrong"
                        )
                made += new
                self._tell(len(made), len(mine))
        now = self.place.gather(made)
        done.update({p.image: p for p in now})
        return [done[s.image.name] for s in todo.samples], len(now)

    @staticmethod
    def _prediction(name: str, scores: np.ndarray | None, error: str, todo: _Todo) -> Prediction:
        label = todo.numbers[name]
        return failed(name, label, error) if scores is None else predict(name, label, scores)

    def _tell(self, done: int, total: int) -> None:
        if self.progress:
            self.progress(done, total)


def _here(engine: Engine, place: Shard) -> Engine:
    """Each process of a machine takes a GPU of its own."""
    several = engine.device == "cuda" and place.local_count > 1
    return replace(engine, device=f"cuda:{place.local}") if several else engine


def _settings(
    graph: Graph, how: Preprocessing, engine: Engine, backend: str, order: str | None, todo: _Todo
) -> dict[str, Any]:
    """What decides the numbers: a run goes on only where all of it is the same."""
    names = hashlib.sha256()
    for sample in todo.samples:
        names.update(f"{sample.image.name}\0{todo.numbers[sample.image.name]}\n".encode("utf-8", "surrogateescape"))
    weights = digest(Path(graph.weights_file), "sha256") if graph.weights_file else None
    return {
        "net": graph.name,
        "weights": Path(graph.weights_file).name if graph.weights_file else None,
        "weights_sha256": weights,
        "preprocessing": how.settings(),
        "class_order": order,
        "labels": todo.read_as,
        "images": len(todo.samples),
        "images_sha256": names.hexdigest(),
        "backend": backend,
        "precision": engine.precision,
        "compile": engine.compile,
    }


def _suspicions(predictions: Sequence[Prediction], classes: int) -> list[str]:
    found = suspicion(predictions, classes)
    return [found] if found else []


def _write_results(folder: Path, result: Evaluation) -> None:
    with written_whole(folder / RESULT) as temporary:
        temporary.write_text(json.dumps(result.to_json(), indent=2) + "\n", encoding="utf-8")
    write_rows(folder / ROWS, [result])


def write_rows(path: Path, found: Sequence[Evaluation]) -> None:
    """Write `results.csv`: a row for each result, with timm's columns."""
    text = io.StringIO()
    text.write(HEADER)
    writer = csv.DictWriter(text, TIMM, lineterminator="\n")
    writer.writerows(result.row() for result in found)
    make_folder(path.parent, parents=True)
    with written_whole(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def versions() -> dict[str, str]:
    """The libraries that the numbers come from."""
    import torch

    return {"caffe2py": __version__, "torch": str(torch.__version__), "opencv": import_opencv().__version__}
