"""What a net says of single images, with the names of the classes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from caffe2py.errors import CaffeError
from caffe2py.evaluate.labels.classes import COUNT, classes
from caffe2py.evaluate.network import Engine, network, scores_only
from caffe2py.evaluate.pictures.images import images_of
from caffe2py.evaluate.pictures.net_input import Choices, preprocessing
from caffe2py.evaluate.pipeline import results
from caffe2py.evaluate.releases.identification import release_of
from caffe2py.evaluate.releases.registry import releases
from caffe2py.graph import Graph
from caffe2py.proto.disk.files import read_text


@dataclass(frozen=True)
class Guess:
    """A class that a net sees in an image. `probability` is the softmax of the scores."""

    number: int
    probability: float
    score: float
    wnid: str | None
    name: str | None


@dataclass(frozen=True)
class Classified:
    """An image with the best classes, best first; `error` says why it could not be read."""

    image: str
    guesses: tuple[Guess, ...]
    error: str = ""


def classify(
    graph: Graph,
    images: Sequence[str | os.PathLike[str]],
    *,
    top: int = 5,
    choices: Choices | None = None,
    engine: Engine | None = None,
    class_order: str = "auto",
    names: str | os.PathLike[str] | None = None,
    scores: str | None = None,
    batch_size: int = 32,
    workers: int | None = None,
    registry: Sequence[str | os.PathLike[str]] = (),
) -> tuple[list[Classified], list[str]]:
    """The `top` best classes of each image, and notes on what was taken for granted.

    `images` are files, folders or tars. `names` is a file with a class name a line, for nets of other classes than
    ILSVRC2012's; `class_order` is devkit, synset or auto (by the release, else synset). Raises CaffeError.
    """
    release, by_name = release_of(graph, releases(registry))
    notes = [by_name] if by_name else []
    graph = scores_only(graph, scores)
    how, engine = preprocessing(graph, choices or Choices(), release), engine or Engine()
    found = [image for source in images for image in images_of(source)]
    net = network(graph, how, engine)
    notes.append(f"run by {net.backend}")
    order = class_order if class_order != "auto" else release.class_order if release else None
    if names is not None:
        words = _read_names(Path(names), net.classes)
    elif net.classes == COUNT:
        if order is None:
            notes.append("the net's class order is not known; names are those of the synset order (--class-order)")
        words = [(c.wnid, c.name) for c in classes(order or "synset")]
    else:
        words = [(None, None)] * net.classes
    made = {}
    for some in results(found, how, net, min(batch_size, len(found)), workers, engine.device):
        for result in some:
            guesses = () if result.scores is None else _best(result.scores, top, words)
            made[result.index] = Classified(found[result.index].name, guesses, result.error)
    return [made[i] for i in range(len(found))], notes


def _best(scores: np.ndarray, top: int, words: Sequence[tuple[str | None, str | None]]) -> tuple[Guess, ...]:
    powers = np.exp(scores.astype(np.float64) - scores.max())
    shares = powers / powers.sum()
    best = np.argsort(-scores, kind="stable")[:top]
    return tuple(Guess(int(k), float(shares[k]), float(scores[k]), *words[k]) for k in best)


def _read_names(path: Path, count: int) -> list[tuple[str | None, str | None]]:
    """A name a line, with or without a wnid before it, as Caffe's synset_words.txt."""
    lines = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    if len(lines) != count:
        raise CaffeError(f"{len(lines)} names for a net of {count} classes; want one a line", str(path))
    pairs = [line.split(" ", 1) for line in lines]
    wnids = all(len(p[0]) == 9 and p[0][0] == "n" and p[0][1:].isdigit() for p in pairs)
    return [
        (p[0], p[1] if len(p) > 1 else None) if wnids else (None, line) for p, line in zip(pairs, lines, strict=True)
    ]
