"""What a net finds in images, where, and a picture of it."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from caffe2py.errors import CaffeError, FileError
from caffe2py.evaluate.grids import clusters_of
from caffe2py.evaluate.grids import finder as grid_finder
from caffe2py.evaluate.network import Engine, runner
from caffe2py.evaluate.pictures.images import Image, images_of
from caffe2py.evaluate.pictures.net_input import Choices, preprocessing
from caffe2py.evaluate.pictures.preprocessing import Preprocessing, import_opencv
from caffe2py.evaluate.two_stages import finder, infos_of, regions_of
from caffe2py.graph import Graph
from caffe2py.passes import only_outputs
from caffe2py.proto.disk.files import read_text, written_whole
from caffe2py.proto.disk.staging import make_folder
from caffe2py.proto.text.tokens import BLOCK, Source, read_fields
from caffe2py.proto.text.values import Misfit, plain_value

NO_LABEL = -1  # of the rows by which DetectionOutput says that it found nothing


@dataclass(frozen=True)
class Thing:
    """What was found: `box` is left, top, right and bottom in pixels of the picture, and may reach over its edges."""

    label: int
    name: str | None
    score: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Detected:
    """An image with what was found in it, best first; `error` says why it could not be read."""

    image: str
    things: tuple[Thing, ...]
    error: str = ""


def detect(
    graph: Graph,
    images: Sequence[str | os.PathLike[str]],
    *,
    threshold: float = 0.5,
    choices: Choices | None = None,
    engine: Engine | None = None,
    names: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
) -> tuple[list[Detected], list[str]]:
    """What the net finds in each image with a score of at least `threshold`, and notes on what was taken for granted.

    `images` are files, folders or tars. The net sees the whole image, warped to its input, unless `choices` say
    otherwise. `names` is a file with a label's name a line, from label 0 on, or SSD's labelmap.prototxt. `out` is the
    picture to write, with the boxes drawn; of several images the folder. Raises CaffeError.
    """
    how, find = _finder(graph, choices or Choices(), engine or Engine())
    mean = how.settings()["mean"]
    notes = [f"the mean {mean} is subtracted (--mean)"] if how.mean_source == "default" and any(mean) else []
    words = {} if names is None else _read_names(Path(names))
    found = [image for source in images for image in images_of(source)]
    targets = _targets(found, out)
    made = []
    for image, target in zip(found, targets, strict=True):
        try:
            data = image.read()
            picture, pixels = how.picture(data, image.name), how.pixels(data, image.name)
        except FileError as error:
            made.append(Detected(image.name, (), str(error)))
            continue
        things = _things(find(pixels[None]), how, picture.shape[:2], threshold, words)
        made.append(Detected(image.name, things))
        if target is not None:
            _write(target, drawn(picture, things))
    return made, notes


def _finder(graph: Graph, choices: Choices, engine: Engine) -> tuple[Preprocessing, Callable[[np.ndarray], np.ndarray]]:
    """How pictures are prepared, and a function of pixels (1, H, W, channels) that gives rows of what is found."""
    regions = regions_of(graph)
    if regions is not None:
        pictures = {blob: shape for blob, shape in graph.inputs.items() if blob not in infos_of(graph)}
        how = preprocessing(replace(graph, inputs=pictures), choices, whole=True)
        return how, finder(graph, regions, how, engine)
    clusters = clusters_of(graph)
    if clusters is not None:
        how = preprocessing(graph, choices, whole=True)
        return how, grid_finder(graph, clusters, how, engine)
    graph = _finding(graph)
    how = preprocessing(graph, choices, whole=True)
    _, start = runner(graph, how, engine)
    return how, lambda pixels: start(pixels)()


def _finding(graph: Graph) -> Graph:
    """The net as far as what it finds, its only output."""
    ends = [v for v in graph.results if graph.makers[v].layer.finds]
    if len(ends) != 1:
        outputs = ", ".join(
            f'"{blob}" ({graph.makers[v].type})' for blob, v in zip(graph.outputs, graph.results, strict=True)
        )
        raise CaffeError(
            f'net "{graph.name}" has {len(ends)} outputs that say what was found and where; its outputs are {outputs}; '
            f"want one of DetectionOutput or the like, boxes of DetectNet's, or regions with scores and boxes"
        )
    return only_outputs(graph, ends)


def _things(
    rows: np.ndarray, how: Preprocessing, size: tuple[int, ...], threshold: float, words: dict[int, str]
) -> tuple[Thing, ...]:
    """The rows (..., 7) of one image, in pixels of the picture."""
    left, top, right, bottom = how.seen(size[0], size[1])
    scale = np.array([right - left, bottom - top] * 2)
    found = []
    for row in rows.reshape(-1, 7).astype(np.float64):
        label, score = int(row[1]), float(row[2])
        a, b, c, d = (float(x) for x in row[3:] * scale + (left, top, left, top))
        if label != NO_LABEL and score >= threshold:
            found.append(Thing(label, words.get(label), score, (a, b, c, d)))
    return tuple(sorted(found, key=lambda thing: -thing.score))


def _read_names(path: Path) -> dict[int, str]:
    """A name a line, from label 0 on; or the items of SSD's labelmap."""
    text = read_text(path)
    if not re.search(r"^\s*item\s*:?\s*[{<]", text, re.MULTILINE):
        return dict(enumerate(line.strip() for line in text.splitlines() if line.strip()))
    source, found = Source(str(path), text), {}
    for item in read_fields(source):
        try:
            said = {f.name: plain_value(f) for f in item.fields if f.kind != BLOCK}
        except Misfit as error:
            raise FileError(str(error), source.place(item.at)) from None
        label = said.get("label")
        if not isinstance(label, int):
            raise FileError(f"this {item.name} has no label that is a number", source.place(item.at))
        found[label] = str(said.get("display_name") or said.get("name", ""))
    return found


def _targets(images: Sequence[Image], out: str | os.PathLike[str] | None) -> list[Path | None]:
    """Where each picture goes: `out` itself for one, a PNG in that folder for each of several."""
    if out is None:
        return [None] * len(images)
    folder = Path(out)
    if len(images) == 1 and not folder.is_dir():
        if folder.suffix.lower() not in (".png", ".jpg", ".jpeg"):
            raise FileError("is no name for a picture; want one that ends in .png or .jpg", str(folder))
        return [folder]
    files = [folder / f"{Path(image.name).stem}.png" for image in images]
    twice = [file for file, times in Counter(files).items() if times > 1]
    if twice:
        raise FileError("would be the picture of two images; want images of different names", str(twice[0]))
    make_folder(folder)
    return list(files)


def drawn(picture: np.ndarray, things: Sequence[Thing]) -> np.ndarray:
    """A copy of a picture (BGR) with a box around each thing, its name and its score; the best on top."""
    cv2 = import_opencv()
    made = picture.copy()
    thick = max(1, round(min(picture.shape[:2]) / 200))
    size = max(0.4, min(picture.shape[:2]) / 900)
    for thing in reversed(things):
        colour = _colour(thing.label)
        left, top, right, bottom = (round(x) for x in thing.box)
        cv2.rectangle(made, (left, top), (right, bottom), colour, thick)
        words = f"{thing.name or thing.label} {thing.score:.2f}"
        (wide, high), below = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, size, thick)
        x = min(max(left, 0), max(made.shape[1] - wide, 0))
        y = top if top >= high + below else min(max(top, 0) + high + below, made.shape[0])
        cv2.rectangle(made, (x, y - high - below), (x + wide, y), colour, cv2.FILLED)
        ink = (0, 0, 0) if sum(colour) > 380 else (255, 255, 255)
        cv2.putText(made, words, (x, y - below // 2), cv2.FONT_HERSHEY_SIMPLEX, size, ink, thick, cv2.LINE_AA)
    return made


def _colour(label: int) -> tuple[int, ...]:
    """A bright colour for a label; labels that follow each other differ much."""
    cv2 = import_opencv()
    hue = np.array([[[label * 67 % 180, 230, 230]]], np.uint8)
    return tuple(int(c) for c in cv2.cvtColor(hue, cv2.COLOR_HSV2BGR)[0, 0])


def _write(path: Path, picture: np.ndarray) -> None:
    cv2 = import_opencv()
    _, data = cv2.imencode(path.suffix.lower(), picture)
    with written_whole(path) as temporary:
        temporary.write_bytes(data.tobytes())
