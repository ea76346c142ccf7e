"""The numbers of a comparison: how far ours is from the reference, and how far float32 alone can be from the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from caffe2py.graph import Graph, Node
from caffe2py.layers.base import Shape, count, text
from caffe2py.proof.dumps.sample import Sample, Top, statistics_of

EPSILON = 2.0**-24  # half a unit in the last place of 1: what one rounding to float32 can cost
LIMITS = {"Sigmoid": (0.0, 1.0), "Softmax": (0.0, 1.0), "TanH": (-1.0, 1.0)}  # where a type saturates
SATURATED = 2.0**-20  # this near to its limits a value tells nothing of what made it


def shape_of(reference: Top) -> Shape:
    return tuple(reference.shape)


def scale_of(reference: Top) -> float:
    """max |reference| over its finite values; 0 where there are none."""
    if isinstance(reference, Sample):
        ends = [abs(e) for e in (reference.min, reference.max) if math.isfinite(e)]
        return max([*ends, _largest(reference.value)])
    return _largest(reference)


def _largest(values: np.ndarray) -> float:
    if not values.size:
        return 0.0
    with np.errstate(invalid="ignore"):
        largest = max(float(values.max()), -float(values.min()))
    if math.isfinite(largest):
        return largest
    return float(np.abs(values, where=np.isfinite(values), out=np.zeros(values.shape)).max())


def error(ours: np.ndarray, reference: Top, scale: float) -> float:
    """max |ours - reference| / scale, of a sampled reference over the samples; infinite where shapes differ."""
    if tuple(ours.shape) != shape_of(reference):
        return math.inf
    if isinstance(reference, Sample):
        return _relative(largest_difference(ours.flat[reference.index], reference.value), scale)
    return _relative(largest_difference(ours, reference), scale)


def statistics_error(ours: np.ndarray, reference: Top, scale: float) -> float | None:
    """The error of a sampled reference's statistics, which tell of all values; None where there are none.

    The difference of two means, of two root mean squares, of two minima or maxima is never more than the largest
    difference of two values: the largest of them can be held against the same bar.
    """
    same = tuple(ours.shape) == shape_of(reference)
    if not isinstance(reference, Sample) or not same or not ours.size or not math.isfinite(reference.l2):
        return None
    said, root = statistics_of(ours), math.sqrt(ours.size)
    pairs = [(said[key], getattr(reference, key)) for key in ("mean", "min", "max")]
    pairs.append((said["l2"] / root, reference.l2 / root))
    return _relative(max(largest_difference(np.array(a), np.array(b)) for a, b in pairs), scale)


def whole_error(ours: np.ndarray, reference: Top, scale: float) -> float:
    """The larger of both errors: what a verdict goes by."""
    return max(error(ours, reference, scale), statistics_error(ours, reference, scale) or 0.0)


def largest_difference(a: np.ndarray, b: np.ndarray) -> float:
    """max |a - b| in float64; NaN is equal to NaN, an infinity to itself, and either infinitely far from a number."""
    if not a.size:
        return 0.0
    with np.errstate(invalid="ignore"):
        apart = np.subtract(a, b, dtype=np.float64)
        found = max(float(apart.max()), -float(apart.min()))
    if not math.isnan(found):
        return found
    equal = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        apart = np.where(equal, 0.0, np.abs(np.subtract(a, b, dtype=np.float64)))
    return float(np.nan_to_num(apart, nan=np.inf, posinf=np.inf).max())


def _relative(difference: float, scale: float) -> float:
    return difference / scale if scale else (0.0 if difference == 0 else math.inf)


def silent(type_: str, reference: Top) -> str:
    """Why a reference can neither convict nor acquit; "" where it can."""
    values = reference.value if isinstance(reference, Sample) else reference
    n = count(shape_of(reference))
    if not n:
        return "empty"
    low, high = (reference.min, reference.max) if isinstance(reference, Sample) else (values.min(), values.max())
    if low == high and (n > 1 or high == 0):
        return f"constant {float(high):g}"
    if type_ in LIMITS and n > 1:
        near = [np.abs(values - limit) <= SATURATED for limit in LIMITS[type_]]
        if np.logical_or(*near).all():
            return "saturated"
    return ""


def terms(graph: Graph, node: Node) -> float:
    """How many terms are added up for one value of the top."""
    tops = sum(count(s) for s in graph.shapes_of(node.tops) if s is not None)
    bottoms = sum(count(s) for s in graph.shapes_of(node.bottoms) if s is not None)
    adds = graph.multiply_adds(node) or 0
    return max(1.0, max(adds, bottoms) / tops) if tops else 1.0


@dataclass(frozen=True)
class Bars:
    """What rounding explains, and so what it does not.

    Two right programs differ because each rounds to float32, and because they add in different orders. How much the
    first is worth at a layer is measured: our float32 run against our float64 run, on the same inputs. `times` allows
    the reference's own rounding to be so many times ours, for both are draws of one kind. The second is known where
    terms vary: n of them, added one after another, err by up to about sqrt(n) * 2^-24 of the result; and it is measured
    where sums are long: `loops` times what a plain loop loses on these very values (`plain_sums`). A few last
    places are always allowed, for other libraries' exp and log. `fixed` replaces all of this by one number.
    """

    times: float = 5.0
    places: float = 16.0  # in units of 2^-24
    loops: float = 3.0
    fixed: float | None = None

    def bar(self, rounding: float, n: float, lost: float = 0.0) -> float:
        """The largest error that float32 explains: by our own rounding, the terms of a sum, what a plain loop lost."""
        if self.fixed is not None:
            return self.fixed
        return max(self.times * rounding, EPSILON * max(self.places, math.sqrt(n)), self.loops * lost)


def shapes_differ(ours: Shape, reference: Top) -> str:
    return f"has shape {text(ours)}; the reference has {text(shape_of(reference))}"
