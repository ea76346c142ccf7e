"""Error rates with their intervals, and what may be wrong where a net does no better than chance."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from caffe2py.evaluate.labels.classes import COUNT, ORDERS, permutation
from caffe2py.evaluate.results.predictions import Prediction

Z95 = 1.959963984540054  # the normal distribution's 97.5 % point


@dataclass(frozen=True)
class ErrorRate:
    """`wrong` of `total` images: the error in per cent, with the bounds of its 95 % interval."""

    wrong: int
    total: int

    @property
    def percent(self) -> float:
        return 100 * self.wrong / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's score interval, which holds at 0 and 100 % and for few images too."""
        n, p = self.total, self.wrong / self.total
        middle = (p + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
        half = Z95 / (1 + Z95**2 / n) * math.sqrt(p * (1 - p) / n + Z95**2 / (4 * n * n))
        low = 0.0 if self.wrong == 0 else middle - half
        high = 1.0 if self.wrong == n else middle + half
        return 100 * low, 100 * high

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.percent:.3f} % (95 % interval {low:.3f} to {high:.3f})"


def error_rate(predictions: Sequence[Prediction], k: int) -> ErrorRate:
    """The top-k error: images whose class is not among the k best, those that could not be read included."""
    return ErrorRate(sum(not 1 <= p.rank <= k for p in predictions), len(predictions))


def suspicion(predictions: Sequence[Prediction], classes: int) -> str | None:
    """What is likely wrong, where a result is near chance; None where it is not, or where there are too few images."""
    read = [p for p in predictions if not p.error]
    top = min(5, classes)
    right = sum(1 <= p.rank <= top for p in read)
    expected = len(read) * top / classes
    near = min(3 * expected + 3, expected + (len(read) - expected) / 10)  # a tenth of the way from chance to perfection
    if len(read) < 20 or classes < 2 * top or right > near:
        return None
    labels = np.array([p.label for p in read])
    best = np.array([p.classes[:top] for p in read])
    if len({p.classes[0] for p in read}) == 1:
        return f"the net says class {best[0, 0]} for every image: weights, mean or scale are not those it was made with"
    for what, guess in _guesses(labels, classes):
        hits = int((best == guess[:, None]).any(1).sum())
        if hits > 10 * expected + 10 and hits > 5 * right:
            error = 100 * float((best[:, 0] != guess).mean())
            return f"near chance, and the likely cause is {what}; without it the top-1 error is {error:.2f} %"
    common, times = Counter(p.classes[0] for p in read).most_common(1)[0]
    often = f" (class {common} comes first in {times} of {len(read)})" if times > len(read) / 10 else ""
    return f"near chance{often}: labels in another class order (--label-order), other weights, or another preprocessing"


def _guesses(labels: np.ndarray, classes: int) -> list[tuple[str, np.ndarray]]:
    guesses = [
        ("labels that count from 1", labels - 1),
        ("labels that count from 0, read as if from 1", labels + 1),
    ]
    if classes == COUNT:
        for source, target in (ORDERS, ORDERS[::-1]):
            what = f"the class order: the labels are in {source} order and the net in {target} order"
            hint = f"{what} (--label-order {source} --class-order {target})"
            guesses.append((hint, permutation(source, target)[labels]))
    return guesses
