"""Images through a net: threads decode ahead while the net runs, and results come out in order, a batch at a time."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from caffe2py.errors import FileError
from caffe2py.evaluate.network import Later, Network
from caffe2py.evaluate.pictures.images import Image
from caffe2py.evaluate.pictures.preprocessing import Preprocessing, import_opencv


@dataclass(frozen=True)
class Result:
    """One image's scores (classes,), or why there are none."""

    index: int
    scores: np.ndarray | None
    error: str = ""


def results(
    images: Sequence[Image],
    how: Preprocessing,
    net: Network,
    batch: int,
    workers: int | None = None,
    device: str = "cpu",
) -> Iterator[list[Result]]:
    """Run every image through the net; yields the results of a batch as soon as the next one is under way.

    Every batch is full (the last one is filled up with blank images), so that an image's scores depend neither on how
    many images there are nor on which process has them.
    """
    count = workers or _workers(device)
    with _one_thread_each(), ThreadPoolExecutor(count, thread_name_prefix="decode") as pool:
        ahead: deque[tuple[int, Future[np.ndarray]]] = deque()
        coming = enumerate(images)
        waiting: tuple[list[int], Later] | None = None
        try:
            while True:
                for index, image in itertools.islice(coming, 2 * batch + count - len(ahead)):
                    ahead.append((index, pool.submit(_pixels, image, how)))
                if not ahead:
                    break
                indices, pixels, failures = _take(ahead, batch)
                started = (indices, net.start(_full(pixels, batch))) if pixels else None
                if waiting:
                    yield _done(*waiting)
                if failures:
                    yield failures
                waiting = started
            if waiting:
                yield _done(*waiting)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _pixels(image: Image, how: Preprocessing) -> np.ndarray:
    return how.pixels(image.read(), image.name)


def _take(ahead: deque[tuple[int, Future[np.ndarray]]], batch: int) -> tuple[list[int], list[np.ndarray], list[Result]]:
    """The next images of a batch, with those that turned out to be unreadable on the way."""
    indices: list[int] = []
    pixels: list[np.ndarray] = []
    failures: list[Result] = []
    while ahead and len(pixels) < batch:
        index, future = ahead.popleft()
        try:
            pixels.append(future.result())
            indices.append(index)
        except FileError as error:
            failures.append(Result(index, None, str(error)))
    return indices, pixels, failures


def _full(pixels: Sequence[np.ndarray], batch: int) -> np.ndarray:
    made = np.zeros((batch, *pixels[0].shape), np.uint8)
    np.stack(pixels, out=made[: len(pixels)])
    return made


def _done(indices: Sequence[int], later: Later) -> list[Result]:
    return [Result(index, scores) for index, scores in zip(indices, later(), strict=False)]


def _workers(device: str) -> int:
    """On a GPU every core decodes; on a CPU the net has the cores, and a quarter of them decodes on the side."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cores = max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))
    return max(1, cores // 4) if device == "cpu" else cores


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """OpenCV runs in the thread that calls it: with threads of its own it would fight ours and the net's."""
    cv2 = import_opencv()
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
